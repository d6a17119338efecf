"""A person's credential at work: ``ssh-keygen -Y sign`` with a key that only that person has."""

import subprocess
from pathlib import Path

from kif.formats.control import Control
from kif.formats.error import BadInput


def sign(key: Path, namespace: str, statement: bytes) -> str:
    """Sign a statement; ``key`` is a private key file, or a public one whose key is in the agent.

    Raises ``BadInput`` (APPROVAL_SIGNATURE) with ssh-keygen's own words.
    """
    command = ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(key)]
    try:
        result = subprocess.run(command, input=statement, capture_output=True, check=False)
    except FileNotFoundError:
        raise BadInput(
            Control.APPROVAL_SIGNATURE,
            "ssh-keygen is not installed here, so nothing was signed. Install openssh-client, or "
            "sign on another machine and use --signature.",
        ) from None
    if result.returncode:
        said = result.stderr.decode(errors="replace").strip()
        raise BadInput(
            Control.APPROVAL_SIGNATURE, f"ssh-keygen could not sign with {key.name}: {said}."
        )
    return result.stdout.decode()
