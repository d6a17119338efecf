"""Simulated people: TEST credentials in a folder, TEST passphrases, TEST components.

For rehearsals and the demo. Everything here is public on purpose and says TEST.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher as Encryptor
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kif.ceremony.credential import sign
from kif.ceremony.people import Appointment, Component
from kif.ceremony.share import read_share, write_share
from kif.formats.control import Control
from kif.formats.error import Refused
from kif.formats.kcv import Kcv
from kif.formats.keyref import KeyRef
from kif.formats.secret import Secret
from kif.hsm.handover import Handover
from kif.hsm.key import Algorithm, Cipher
from kif.ledger.events.custody import Medium
from kif.ledger.plan import Plan

_MOST_SHEETS = 9
_TEST_BITS = 2048


def _no_scheme(request: str) -> str:
    """Certify nothing."""
    raise Refused(Control.ISSUER_CERTIFICATE, "There is no TEST scheme here.")


@dataclass(frozen=True)
class RehearsalPeople:
    """Implements :class:`kif.ceremony.people.People` for names like ``custodian-1``."""

    folder: Path
    sheets: Callable[[KeyRef], Sequence[Component]]
    """Gives the components of a key in the order of the custodians."""
    listener: Callable[[str], None]
    scheme: Callable[[str], str] = field(default=_no_scheme, kw_only=True)
    """Certifies an issuer's key by its request (PKCS#10, PEM), as a scheme does."""

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
        self.listener(f"  ({person} signs.)")
        return sign(self.key(person), namespace, statement)

    def present(self, role: str, names: Sequence[str], count: int) -> Sequence[str]:
        """Take the first of them."""
        return names[:count]

    def leaving(self, role: str, names: Sequence[str]) -> str:
        """Release the last of them."""
        return names[-1]

    def station(self, number: int) -> tuple[str, str]:
        """Make the station's TEST key if it is not there yet."""
        station = self.appoint("station", number)
        return station.name, station.public_key

    def bag(self, person: str, what: str, count: int) -> tuple[str, str]:
        """Use the next TEST bag."""
        return f"TEST-{count}", "TEST safe"

    def unbag(self, person: str, newest: str) -> str:
        """Open the bag that was closed last."""
        return newest

    def key_block(self, key: KeyRef) -> str:
        """Give the block in which an older version of the key left."""
        blocks = [self._left / f"{key.owner}-{key.purpose}-{v}.tr31" for v in range(key.version)]
        return next(each for each in blocks if each.is_file()).read_text()

    def recipient(self, key: KeyRef) -> str:
        """Make the TEST public key of a recipient."""
        public = rsa.generate_private_key(65537, _TEST_BITS).public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def issuer_certificate(self, key: KeyRef) -> str:
        """Have the TEST scheme answer the request that the key's ceremony left."""
        request = self._left / f"{key.owner}-{key.purpose}-{key.version}.csr"
        return self.scheme(request.read_text())

    @property
    def _left(self) -> Path:
        """Where the home has what left in ceremonies."""
        return self.folder.parent / "exchange"

    def agree(self, question: str) -> None:
        """Agree."""
        self.listener(f"  ({question} Everyone agrees.)")

    def reason(self) -> str:
        """Say that it is a rehearsal."""
        return "This is a rehearsal."

    def component(self, person: str, key: KeyRef, number: int) -> Component:
        """Read the component from the owner's TEST sheet."""
        self.listener(f"  ({person}, alone, enters component {number} of {key}.)")
        return self.sheets(key)[number - 1]

    def give_component(
        self, person: str, key: KeyRef, number: int, component: Secret, kcv: Kcv
    ) -> None:
        """Put it on no sheet: it is a rehearsal."""
        self.listener(f"  ({person}, alone, puts component {number} of {key} on a sheet.)")

    def give_share(self, person: str, key: KeyRef, number: int, handover: Handover) -> Medium:
        """Keep the share in a file of the person's, under the TEST passphrase."""
        share, _ = handover.draw()
        self.listener(f"  ({person}, alone, keeps share {number} of {key}.)")
        passphrase = self.passphrase(person, str(key))
        self._share(person, key).unlink(missing_ok=True)
        write_share(self._share(person, key), key, number, share, passphrase)
        return Medium.FILE

    def take_share(self, person: str, key: KeyRef, number: int, handover: Handover) -> None:
        """Read the share from the person's file."""
        self.listener(f"  ({person}, alone, gives share {number} of {key}.)")
        handover.enter(self.kept_share(person, key, number))

    def kept_share(self, person: str, key: KeyRef, number: int) -> Secret:
        """Read the share from the person's file."""
        path = self._share(person, key)
        return read_share(path, key, number, self.passphrase(person, str(key)))

    def _share(self, person: str, key: KeyRef) -> Path:
        return self.folder / f"{person}-test-share-{key.version}"

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


def drawn_sheets(plan: Plan) -> Callable[[KeyRef], Sequence[Component]]:
    """Return TEST sheets for the keys that a plan forms: the same ones at each rehearsal."""
    algorithms = {
        step.values["key"]: Algorithm(step.values["algorithm"])
        for step in plan.steps
        if step.action == "form"
    }

    def sheets(key: KeyRef) -> Sequence[Component]:
        algorithm = algorithms[key.purpose]
        return [_sheet(key, algorithm, number) for number in range(1, _MOST_SHEETS + 1)]

    return sheets


def _sheet(key: KeyRef, algorithm: Algorithm, number: int) -> Component:
    value = hashlib.sha256(f"TEST component {number} of {key.purpose}".encode()).digest()
    value = value[: algorithm.size]
    tdea = algorithm.cipher is Cipher.TDEA
    cipher = TripleDES((value + value)[: Algorithm.TDES_3.size]) if tdea else AES(value)
    block = bytes(algorithm.cipher.block) if tdea else b"\x01" * algorithm.cipher.block
    cryptogram = Encryptor(cipher, ECB()).encryptor().update(block)  # noqa: S305
    return Component(Secret(value), cryptogram[:3].hex().upper())
