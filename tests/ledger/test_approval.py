"""SSH signatures, made by ssh-keygen itself."""

import base64
import hashlib
import subprocess
from dataclasses import dataclass
from dataclasses import field as field_
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

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


@pytest.mark.control("KIF-ORA-02")
@pytest.mark.parametrize(
    ("kind", "bits"), [("rsa", 3072), ("ecdsa", 256), ("ecdsa", 384), ("ecdsa", 521)]
)
def test_other_keys_of_ssh_keygen_sign_too(tmp_path: Path, kind: str, bits: int) -> None:
    other = make_key(tmp_path, kind, bits)
    armoured = sign(other, SPACE, STATEMENT)
    verify_approval(public(other), SPACE, STATEMENT, armoured)
    (tmp_path / "good").write_text(armoured)
    assert ssh_keygen_agrees(public(other), SPACE, STATEMENT, tmp_path / "good")
    with pytest.raises(Refused, match="not over this statement"):
        verify_approval(public(other), SPACE, STATEMENT + b" ", armoured)
    blob = blob_of(armoured)
    for place in range(len(blob) - 60, len(blob)):
        changed = blob[:place] + bytes((blob[place] ^ 1,)) + blob[place + 1 :]
        with pytest.raises((BadInput, Refused)):
            verify_approval(public(other), SPACE, STATEMENT, armour(changed))


def test_a_short_rsa_key_is_no_credential(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="This RSA key has 1024 bits; 2048 is the least"):
        fingerprint(public(make_key(tmp_path, "rsa", 1024)))


def test_a_private_key_is_told_from_a_public_one(key: Path) -> None:
    with pytest.raises(BadInput, match=r"This is a private key; hand over the public one"):
        fingerprint(key.read_text())


@dataclass(frozen=True)
class SecurityKey:
    """A FIDO key in software (OpenSSH PROTOCOL.u2f)."""

    kind: str
    application: bytes = b"ssh:"
    edwards: Ed25519PrivateKey = field_(default_factory=Ed25519PrivateKey.generate)
    curve: ec.EllipticCurvePrivateKey = field_(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    @property
    def blob(self) -> bytes:
        name, application = field(self.kind.encode()), field(self.application)
        if "ed25519" in self.kind:
            return name + field(self.edwards.public_key().public_bytes_raw()) + application
        form = (Encoding.X962, PublicFormat.UncompressedPoint)
        point = field(b"nistp256") + field(self.curve.public_key().public_bytes(*form))
        return name + point + application

    @property
    def line(self) -> str:
        return f"{self.kind} {base64.b64encode(self.blob).decode()} TEST"

    def sign(self, flags: int = 1) -> str:
        digest = hashlib.sha512(STATEMENT).digest()
        told = field(SPACE.encode()) + field(b"") + field(b"sha512")
        more = bytes((flags,)) + (7).to_bytes(4, "big")
        message = hashlib.sha256(b"SSHSIG" + told + field(digest)).digest()
        signed = hashlib.sha256(self.application).digest() + more + message
        if "ed25519" in self.kind:
            value = self.edwards.sign(signed)
        else:
            r, s = decode_dss_signature(self.curve.sign(signed, ec.ECDSA(hashes.SHA256())))
            value = b"".join(field(n.to_bytes(n.bit_length() // 8 + 1, "big")) for n in (r, s))
        made = field(self.kind.encode()) + field(value) + more
        return armour(b"SSHSIG" + b"\0\0\0\1" + field(self.blob) + told + field(made))


@pytest.mark.control("KIF-ORA-02")
@pytest.mark.parametrize(
    "kind", ["sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"]
)
def test_a_security_key_signs_when_it_was_touched(tmp_path: Path, kind: str) -> None:
    made = SecurityKey(kind)
    verify_approval(made.line, SPACE, STATEMENT, made.sign())
    (tmp_path / "good").write_text(made.sign())
    assert ssh_keygen_agrees(made.line, SPACE, STATEMENT, tmp_path / "good")
    for line, armoured in ((made.line, made.sign(0)), (SecurityKey(kind).line, made.sign())):
        with pytest.raises(Refused):
            verify_approval(line, SPACE, STATEMENT, armoured)


def test_an_unknown_key_is_refused_before_it_is_registered(key: Path) -> None:
    raw = base64.b64decode(public(key).split()[1])[-32:]
    line = f"ssh-unheard-of {base64.b64encode(field(b'ssh-unheard-of') + field(raw)).decode()}"
    with pytest.raises(BadInput, match="is of type ssh-unheard-of; accepted are"):
        fingerprint(line)


def test_a_certificate_is_no_credential(tmp_path: Path) -> None:
    key = make_key(tmp_path)
    command = ["ssh-keygen", "-q", "-s", str(key), "-I", "TEST", "-n", "x", f"{key}.pub"]
    subprocess.run(command, check=True)
    with pytest.raises(BadInput, match="accepted are Ed25519, ECDSA, RSA and FIDO keys"):
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


def test_without_ssh_keygen_it_says_so(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BadInput, match="ssh-keygen is not installed here"):
        sign(key, SPACE, STATEMENT)
