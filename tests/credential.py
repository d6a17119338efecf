"""TEST credentials, made and used by ssh-keygen itself."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path


def make_key(folder: Path, kind: str = "ed25519", bits: int | None = None) -> Path:
    """Make a TEST key of a kind, without a passphrase, and return its private file."""
    path = folder / f"test-{kind}"
    command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "TEST", "-f", str(path)]
    subprocess.run([*command, *(["-b", str(bits)] if bits else [])], check=True)
    return path


def public(key: Path) -> str:
    """Return a key's public line."""
    return key.with_suffix(".pub").read_text()


def sign(key: Path, namespace: str, statement: bytes, *options: str) -> str:
    """Sign with ``ssh-keygen -Y sign``."""
    command = ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(key)]
    for option in options:
        command += ["-O", option]
    return subprocess.run(command, input=statement, capture_output=True, check=True).stdout.decode()


def ssh_keygen_agrees(line: str, namespace: str, statement: bytes, armoured: Path) -> bool:
    """Return whether ``ssh-keygen -Y verify`` accepts a signature that lies in a file."""
    allowed = armoured.with_suffix(".allowed")
    allowed.write_text(f"someone {line}")
    command = ["ssh-keygen", "-Y", "verify", "-I", "someone", "-f", str(allowed), "-n", namespace]
    result = subprocess.run(
        [*command, "-s", str(armoured)], input=statement, capture_output=True, check=False
    )
    return result.returncode == 0


def blob_of(armoured: str) -> bytes:
    """Return what an armour holds."""
    return base64.b64decode("".join(armoured.splitlines()[1:-1]))


def armour(blob: bytes) -> str:
    """Put an armour around a blob."""
    text = base64.b64encode(blob).decode()
    lines = [text[at : at + 70] for at in range(0, len(text), 70)]
    begin, end = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
    return "\n".join([begin, *lines, end]) + "\n"


def field(content: bytes) -> bytes:
    """Return a string as SSH writes it: four bytes of length, big-endian, and the content."""
    return len(content).to_bytes(4, "big") + content
