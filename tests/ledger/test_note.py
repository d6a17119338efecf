"""Checkpoints as C2SP signed notes."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from kif.formats.error import CheckFailed
from kif.ledger.note import encode_verifier, key_id, open_checkpoint, sign_checkpoint
from tests.ledger.history import SoftwareSigner

# The example of c2sp.org/signed-note.
NAME = "PeterNeumann"
VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
SIGNATURE = (
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
)

SIGNER = SoftwareSigner()
NOTE = sign_checkpoint(SIGNER, 7, bytes(range(32))).note


def test_the_published_key_has_the_published_id_and_signature() -> None:
    key = base64.b64decode(VERIFIER.split("+", 2)[2])[1:]
    assert key_id(NAME, key).hex() == "c74f20a3"
    assert encode_verifier(NAME, key) == VERIFIER
    blob = base64.b64decode(SIGNATURE)
    assert blob[:4] == key_id(NAME, key)
    Ed25519PublicKey.from_public_bytes(key).verify(blob[4:], TEXT.encode())


def test_a_checkpoint_comes_back() -> None:
    checkpoint = open_checkpoint(NOTE, SIGNER.verifier)
    assert (checkpoint.origin, checkpoint.size, checkpoint.root) == (
        SIGNER.name,
        7,
        bytes(range(32)),
    )


def resigned(body: str, *, key: bytes | None = None, flip: int | None = None) -> str:
    """Return the body with a signature line of its own, under another key id or damaged."""
    blob = bytearray(key or key_id(SIGNER.name, SIGNER.public_key))
    blob += SIGNER.sign(body.encode())
    if flip is not None:
        blob[flip] ^= 1
    return f"{body}\n— {SIGNER.name} {base64.b64encode(blob).decode()}\n"


BODY = NOTE.partition("\n\n")[0] + "\n"

DAMAGE = {
    "another key id": resigned(BODY, key=b"\x00\x01\x02\x03"),
    "a changed signature": resigned(BODY, flip=4),
    "a signature changed at its end": resigned(BODY, flip=67),
    "a signature too short": resigned(BODY)[:-6] + "\n",
    "another name on the signature": NOTE.replace(f"— {SIGNER.name}", "— kif.test/other"),
    "the origin of another log": resigned(BODY.replace(SIGNER.name, "kif.test/other")),
    "a size that is no number": resigned(BODY.replace("\n7\n", "\nseven\n")),
    "a root that is not base64": resigned(f"{SIGNER.name}\n7\n!!\n"),
    "no root": resigned(f"{SIGNER.name}\n7\n"),
    "a second root": NOTE.replace("\n\n", f"\n{BODY.splitlines()[2]}\n\n"),
    "another size": NOTE.replace("\n7\n", "\n8\n"),
    "another origin": NOTE.replace(SIGNER.name, "kif.test/other"),
    "no last newline": NOTE[:-1],
    "a second signature": NOTE + NOTE.splitlines()[-1] + "\n",
    "a hyphen for the dash": NOTE.replace("— ", "- "),
    "no gap": NOTE.replace("\n\n", "\n"),
    "not base64": NOTE[:-3] + "!!\n",
    "an extra line": NOTE.replace("\n\n", "\nextra\n\n"),
    "empty": "",
}


@pytest.mark.control("KIF-LOG-02")
@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_checkpoint_is_refused(case: str) -> None:
    with pytest.raises(CheckFailed, match="not one that this log's key signed"):
        open_checkpoint(DAMAGE[case], SIGNER.verifier)


def test_the_notes_that_are_damaged_above_are_damaged_only_there() -> None:
    assert resigned(BODY) == NOTE


VERIFIERS = {
    "another key": SoftwareSigner().verifier,
    "no key": "nonsense",
    "another name": SIGNER.verifier.replace(SIGNER.name, "other"),
    "another log": VERIFIER,
}


@pytest.mark.parametrize("case", VERIFIERS)
def test_a_verifier_key_of_another_log_refuses(case: str) -> None:
    with pytest.raises(CheckFailed):
        open_checkpoint(NOTE, VERIFIERS[case])
