"""SSH signatures, made by ssh-keygen itself."""

import base64
import subprocess
from pathlib import Path

import pytest

from kif.ceremony.credential import sign
from kif.formats.control import Control
from kif.formats.error import BadInput, KifError, Refused
from kif.formats.sshsig import SshSignature
from kif.ledger.approval import fingerprint, verify_approval
from tests.credential import armour, blob_of, field, make_key, public, ssh_keygen_agrees
from tests.credential import sign as ssh_sign

STATEMENT = b'{"approve":"this"}'
SPACE = "kif-test"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TEST key."""
    return make_key(tmp_path_factory.mktemp("keys"))


@pytest.mark.control("KIF-ORA-02")
def test_a_signature_by_ssh_keygen_is_accepted_here_and_there(key: Path, tmp_path: Path) -> None:
    armoured = sign(key, SPACE, STATEMENT)
    verify_approval(public(key), SPACE, STATEMENT, armoured)
    (tmp_path / "good").write_text(armoured)
    assert ssh_keygen_agrees(public(key), SPACE, STATEMENT, tmp_path / "good")
    assert not ssh_keygen_agrees(public(key), "kif-other", STATEMENT, tmp_path / "good")
    assert not ssh_keygen_agrees(public(key), SPACE, STATEMENT + b" ", tmp_path / "good")


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_both_hashes_are_accepted(key: Path, algorithm: str) -> None:
    armoured = ssh_sign(key, SPACE, STATEMENT, f"hashalg={algorithm}")
    assert SshSignature.parse(armoured).hash_algorithm == algorithm
    verify_approval(public(key), SPACE, STATEMENT, armoured)


@pytest.mark.control("KIF-ORA-02")
def test_another_statement_namespace_or_key_is_refused(key: Path, tmp_path: Path) -> None:
    good = sign(key, SPACE, STATEMENT)
    other = make_key(tmp_path)
    cases = [
        (public(key), SPACE, STATEMENT + b" ", "not over this statement"),
        (public(key), "kif-other", STATEMENT, "made for 'kif-test'"),
        (public(other), SPACE, STATEMENT, "another key"),
    ]
    for line, namespace, statement, words in cases:
        with pytest.raises(Refused, match=words) as refused:
            verify_approval(line, namespace, statement, good)
        assert (refused.value.exit_code, refused.value.control) == (4, Control.APPROVAL_SIGNATURE)


@pytest.mark.control("KIF-ORA-02")
@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_a_signature_with_a_key_of_another_kind_is_refused(
    key: Path, tmp_path: Path, kind: str
) -> None:
    armoured = sign(make_key(tmp_path, kind), SPACE, STATEMENT)
    with pytest.raises(Refused, match="another key"):
        verify_approval(public(key), SPACE, STATEMENT, armoured)


@pytest.mark.control("KIF-ORA-02")
def test_a_signature_that_names_another_algorithm_is_refused(key: Path) -> None:
    blob = blob_of(sign(key, SPACE, STATEMENT))
    value = field(b"ssh-ed25519") + field(blob[-64:])
    weaker = blob.replace(field(b"sha512"), field(b"sha1"))
    other = blob.replace(field(value), field(value.replace(b"ssh-ed25519", b"ssh-ed25518")))
    for changed in (weaker, other):
        assert changed != blob
        with pytest.raises(Refused, match="its algorithm is"):
            verify_approval(public(key), SPACE, STATEMENT, armour(changed))


@pytest.mark.control("KIF-ORA-02")
def test_a_signature_value_of_another_length_is_refused(key: Path) -> None:
    blob = blob_of(sign(key, SPACE, STATEMENT))
    value = field(b"ssh-ed25519") + field(blob[-64:])
    short = field(b"ssh-ed25519") + field(blob[-64:-1])
    with pytest.raises(Refused, match="not over this statement"):
        changed = blob.replace(field(value), field(short))
        verify_approval(public(key), SPACE, STATEMENT, armour(changed))


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_a_credential_of_another_kind_is_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(BadInput, match="not Ed25519") as refused:
        fingerprint(public(make_key(tmp_path, kind)))
    assert refused.value.control is Control.APPROVAL_SIGNATURE


def test_a_security_key_or_an_unknown_key_is_refused_before_it_is_registered(key: Path) -> None:
    raw = base64.b64decode(public(key).split()[1])[-32:]
    for name, rest in (
        (b"sk-ssh-ed25519@openssh.com", field(raw) + field(b"ssh:")),
        (b"ssh-unheard-of", field(raw)),
    ):
        line = f"{name.decode()} {base64.b64encode(field(name) + rest).decode()}"
        with pytest.raises(BadInput, match="not Ed25519"):
            fingerprint(line)


def test_a_certificate_is_no_credential(tmp_path: Path) -> None:
    key = make_key(tmp_path)
    command = ["ssh-keygen", "-q", "-s", str(key), "-I", "TEST", "-n", "x", f"{key}.pub"]
    subprocess.run(command, check=True)
    with pytest.raises(BadInput, match="not Ed25519"):
        fingerprint((tmp_path / "test-ed25519-cert.pub").read_text())


def test_a_fingerprint_is_the_one_that_ssh_keygen_prints(key: Path) -> None:
    command = ["ssh-keygen", "-l", "-E", "sha256", "-f", f"{key}.pub"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[1]
    digest = base64.b64decode(printed.removeprefix("SHA256:") + "=")
    assert fingerprint(public(key)) == digest.hex()


def test_a_line_that_is_no_key_is_refused() -> None:
    with pytest.raises(BadInput, match="not an OpenSSH public key"):
        fingerprint("ssh-ed25519 AAAA")


def test_no_truncation_or_noise_is_taken_for_a_signature(key: Path) -> None:
    good = sign(key, SPACE, STATEMENT)
    for end in range(0, len(good) - 1, 7):
        with pytest.raises(KifError):
            verify_approval(public(key), SPACE, STATEMENT, good[:end])
    blob = blob_of(good)
    for place in range(len(blob)):
        changed = blob[:place] + bytes((blob[place] ^ 1,)) + blob[place + 1 :]
        with pytest.raises((BadInput, Refused)) as error:
            verify_approval(public(key), SPACE, STATEMENT, armour(changed))
        assert error.value.control is Control.APPROVAL_SIGNATURE


def test_a_key_that_can_not_sign_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "no-key").write_text("nothing")
    with pytest.raises(BadInput, match="ssh-keygen could not sign"):
        sign(tmp_path / "no-key", SPACE, STATEMENT)
