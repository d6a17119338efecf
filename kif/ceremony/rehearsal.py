"""Simulated people: TEST credentials in a folder, TEST passphrases, TEST components.

For rehearsals and the demo. Everything here is public on purpose and says TEST.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kif.ceremony.credential import sign
from kif.ceremony.people import Appointment, Component
from kif.formats.keyref import KeyRef
from kif.formats.secret import Secret


@dataclass(frozen=True)
class RehearsalPeople:
    """Implements :class:`kif.ceremony.people.People` for names like ``custodian-1``."""

    folder: Path
    sheets: Callable[[KeyRef], Sequence[Component]]
    """Gives the components of a key in the order of the custodians."""
    listener: Callable[[str], None]

    def appoint(self, role: str, number: int) -> Appointment:
        """Make the person's TEST key if it is not there yet."""
        name = f"{role}-{number}"
        key = self.key(name)
        if not key.with_suffix(".pub").exists():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make_key(key, f"TEST {name}")
        line = key.with_suffix(".pub").read_text().strip()
        return Appointment(name, role, line, f"manager-of-{name}")

    def key(self, person: str) -> Path:
        """Return where a person's TEST private key is."""
        return self.folder / f"{person}-test-key"

    def sign(self, person: str, namespace: str, statement: bytes) -> str:
        """Sign with the person's TEST key."""
        return sign(self.key(person), namespace, statement)

    def present(self, role: str, names: Sequence[str], count: int) -> Sequence[str]:
        """Take the first of them."""
        return names[:count]

    def component(self, person: str, key: KeyRef, number: int) -> Component:
        """Read the component from the owner's TEST sheet."""
        return self.sheets(key)[number - 1]

    def passphrase(self, person: str, purpose: str) -> Secret:
        """Return the person's TEST passphrase, the same every time."""
        return Secret.of_text(f"TEST ONLY passphrase of {person} for {purpose}")

    def unlock(self, purpose: str, holders: Sequence[str], count: int) -> Mapping[str, Secret]:
        """Give the TEST passphrases of the first of them."""
        return {name: self.passphrase(name, purpose) for name in holders[:count]}

    def tell(self, text: str) -> None:
        """Pass what is said on."""
        self.listener(text)


def _make_key(path: Path, comment: str) -> None:
    """Make an Ed25519 key without passphrase; the public half appears last."""
    new = path.with_suffix(".new")
    for left in (new, Path(f"{new}.pub"), path):
        left.unlink(missing_ok=True)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(new)], check=True
    )
    new.rename(path)
    Path(f"{new}.pub").rename(path.with_suffix(".pub"))
