"""SSH signatures, as ssh-keygen writes them, and everything that only looks like one."""

import base64
import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.sshsig import SshSignature
from tests.credential import armour, blob_of, field, make_key, public, sign

SPACE = "kif-test"
STATEMENT = b"this"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TEST key."""
    return make_key(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def good(key: Path) -> str:
    """A signature as ssh-keygen armours it."""
    return sign(key, SPACE, STATEMENT)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_the_parts_are_those_that_ssh_keygen_put_in(key: Path, algorithm: str) -> None:
    signature = SshSignature.parse(sign(key, SPACE, STATEMENT, f"hashalg={algorithm}"))
    line = base64.b64decode(public(key).split()[1])
    assert (signature.public_key, signature.namespace) == (line, SPACE)
    assert (signature.hash_algorithm, signature.algorithm) == (algorithm, "ssh-ed25519")
    digest = hashlib.new(algorithm, STATEMENT).digest()
    verifier = Ed25519PublicKey.from_public_bytes(line[-32:])
    verifier.verify(signature.signature, signature.signed_bytes(digest))


@pytest.mark.parametrize(
    ("kind", "algorithm"), [("rsa", "rsa-sha2-512"), ("ecdsa", "ecdsa-sha2-nistp256")]
)
def test_a_signature_of_another_kind_is_read_and_named(
    tmp_path: Path, kind: str, algorithm: str
) -> None:
    signature = SshSignature.parse(sign(make_key(tmp_path, kind), SPACE, STATEMENT))
    assert signature.algorithm == algorithm


def test_the_armour_of_this_test_is_that_of_ssh_keygen(good: str) -> None:
    assert armour(blob_of(good)) == good


def refused(armoured: str) -> None:
    with pytest.raises(BadInput, match="This is not an SSH signature") as error:
        SshSignature.parse(armoured)
    assert error.value.control is Control.APPROVAL_SIGNATURE


@pytest.mark.control("KIF-ORA-02")
def test_an_armour_that_is_not_whole_is_refused(good: str) -> None:
    lines = good.splitlines()
    cases = [
        "",
        "garbage",
        "\n".join(lines[1:]),
        "\n".join(lines[:-1]),
        "\n".join([lines[0], lines[-1]]),
        good.replace("SSH", "PGP"),
        good + good,
        "\n".join([lines[0], "é" + lines[1], *lines[2:]]),
        "\n".join([lines[0], "!" + lines[1], *lines[2:]]),
    ]
    for case in cases:
        refused(case)


@pytest.mark.control("KIF-ORA-02")
def test_no_shorter_or_longer_blob_is_a_signature(good: str) -> None:
    blob = blob_of(good)
    for size in range(len(blob)):
        refused(armour(blob[:size]))
    refused(armour(blob + b"\x00"))


@pytest.mark.control("KIF-ORA-02")
def test_a_blob_of_another_form_is_refused(good: str) -> None:
    blob, space = blob_of(good), field(SPACE.encode())
    cases = {
        "another magic": blob.replace(b"SSHSIG", b"SSHSIH"),
        "another version": blob.replace(b"SSHSIG\x00\x00\x00\x01", b"SSHSIG\x00\x00\x00\x02"),
        "something reserved": blob.replace(space + field(b""), space + field(b"x")),
        "a namespace that is no text": blob.replace(space, field(b"\xff")),
        "a length beyond the end": blob.replace(space, b"\xff" * 4 + SPACE.encode()),
        "more after the signature's value": _with_more(blob),
    }
    for case in cases.values():
        assert case != blob
        refused(armour(case))


def _with_more(blob: bytes) -> bytes:
    """Put one more field behind the value, within the signature's own string."""
    value = field(b"ssh-ed25519") + field(blob[-64:])
    return blob.removesuffix(field(value)) + field(value + field(b""))


@given(st.binary(max_size=200))
def test_noise_behind_the_magic_is_refused(noise: bytes) -> None:
    refused(armour(b"SSHSIG\x00\x00\x00\x01" + noise))


@given(st.text())
def test_text_is_refused(text: str) -> None:
    refused(text)
