"""SSH signatures, made by ssh-keygen itself."""

import subprocess
from pathlib import Path

import pytest

from kif.ceremony.credential import sign
from kif.formats.error import BadInput, KifError, Refused
from kif.formats.sshsig import SshSignature
from kif.oracle.approval import fingerprint, verify_approval

STATEMENT = b'{"approve":"this"}'
SPACE = "kif-test"


def make_key(folder: Path, kind: str = "ed25519") -> Path:
    path = folder / f"test-{kind}"
    if not path.exists():
        subprocess.run(
            ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "TEST", "-f", str(path)], check=True
        )
    return path


def public(key: Path) -> str:
    return key.with_suffix(".pub").read_text()


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TEST key."""
    return make_key(tmp_path_factory.mktemp("keys"))


@pytest.mark.control("KIF-ORA-02")
def test_a_signature_by_ssh_keygen_is_accepted(key: Path) -> None:
    verify_approval(public(key), SPACE, STATEMENT, sign(key, SPACE, STATEMENT))


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_both_hashes_are_accepted(key: Path, algorithm: str, tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(STATEMENT)
    how = ["-O", f"hashalg={algorithm}", "-n", SPACE, "-f", str(key)]
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", *how, str(tmp_path / "m")], check=True)
    armoured = (tmp_path / "m.sig").read_text()
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
        assert refused.value.exit_code == 4


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_a_credential_of_another_kind_is_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(BadInput, match="not Ed25519"):
        fingerprint(public(make_key(tmp_path, kind)))


def test_a_line_that_is_no_key_is_refused() -> None:
    with pytest.raises(BadInput, match="not an OpenSSH public key"):
        fingerprint("ssh-ed25519 AAAA")


def test_no_truncation_or_noise_is_taken_for_a_signature(key: Path) -> None:
    good = sign(key, SPACE, STATEMENT)
    for end in range(0, len(good) - 1, 7):
        with pytest.raises(KifError):
            verify_approval(public(key), SPACE, STATEMENT, good[:end])
    lines = good.splitlines()
    for place in range(len(lines[1])):
        letter = "A" if lines[1][place] != "A" else "B"
        changed = lines[1][:place] + letter + lines[1][place + 1 :]
        with pytest.raises(KifError):
            verify_approval(
                public(key), SPACE, STATEMENT, "\n".join([lines[0], changed, *lines[2:]])
            )


def test_a_key_that_can_not_sign_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "no-key").write_text("nothing")
    with pytest.raises(BadInput, match="ssh-keygen could not sign"):
        sign(tmp_path / "no-key", SPACE, STATEMENT)
