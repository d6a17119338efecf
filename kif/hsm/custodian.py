"""A custodian's own token: a share is made in it, and leaves it wrapped to the HSM alone.

It is used by a process of its own (``python -I -m kif.hsm.custodian``), so that its library and its
settings never meet those of the HSM. What is asked goes in by standard input, the PIN with it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pkcs11 import Attribute, ObjectClass

from kif.formats.control import Control
from kif.formats.error import BadInput, DeviceFailed, KifError
from kif.formats.secret import Secret
from kif.hsm.key import Algorithm, Key, generate, recognise
from kif.hsm.library import calling
from kif.hsm.token import Token, TokenPlace
from kif.hsm.usage import RULES, Usage
from kif.hsm.wrap import wrap_oaep

_PATIENCE = 120
"""Seconds that a token may take."""
_SETTINGS = "SOFTHSM2_CONF"
_MAKE, _HAND_OVER = "make", "hand over"


@dataclass(frozen=True)
class CustodianToken:
    """A token that is a custodian's, and its PIN."""

    place: TokenPlace
    pin: Secret

    def make(self, label: str, recipient: str) -> list[bytes]:
        """Make a share (AES-256) with a label; return it wrapped to a public key (PEM).

        Raises ``BadInput`` (QUORUM) saying what the token would not do.
        """
        return self._ask(_MAKE, label, recipient)

    def hand_over(self, label: str, recipient: str) -> list[bytes]:
        """Return every share with a label, wrapped to a public key (PEM): only the last counts.

        An attempt that was interrupted leaves a share that nobody asks for. Raises ``BadInput``
        (QUORUM) when there is none, or the token would not.
        """
        return self._ask(_HAND_OVER, label, recipient)

    def _ask(self, what: str, label: str, recipient: str) -> list[bytes]:
        directory = self.place.softhsm_directory
        asked = {
            "do": what,
            "directory": None if directory is None else str(directory),
            "label": label,
            "library": str(self.place.library),
            "pin": self.pin.reveal().decode(errors="replace"),
            "recipient": recipient,
            "token": self.place.label,
        }
        environment = {name: value for name, value in os.environ.items() if name != _SETTINGS}
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-m", "kif.hsm.custodian"],
                input=json.dumps(asked),
                capture_output=True,
                check=True,
                text=True,
                timeout=_PATIENCE,
                env=environment,
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            raise BadInput(
                Control.QUORUM, "The library of your token failed. Choose another medium."
            ) from None
        answer = json.loads(done.stdout)
        if "failed" in answer:
            raise BadInput(Control.QUORUM, f"{answer['failed']} That is your own token's answer.")
        return [bytes.fromhex(blob) for blob in answer["wrapped"]]


def main() -> None:
    """Do what standard input asks; answer on standard output."""
    asked = json.load(sys.stdin)
    try:
        answer: dict[str, Any] = {"wrapped": [blob.hex() for blob in _answered(asked)]}
    except KifError as exc:
        answer = {"failed": _sentence(exc, asked["token"])}
    json.dump(answer, sys.stdout)


def _answered(asked: dict[str, Any]) -> list[bytes]:
    directory = asked["directory"]
    place = TokenPlace(
        Path(asked["library"]), asked["token"], None if directory is None else Path(directory)
    )
    recipient = load_pem_public_key(asked["recipient"].encode())
    if not isinstance(recipient, rsa.RSAPublicKey):
        raise BadInput(Control.BYTES, "The key to wrap to is no RSA key.")
    with Token.open(place, Secret.of_text(asked["pin"])) as token:
        label = asked["label"]
        if asked["do"] == _MAKE:
            shares = [generate(token, Usage.CUSTODIAN_SHARE, Algorithm.AES_256, label)]
        else:
            shares = list(_there(token, label))
        return [wrap_oaep(token, recipient, share) for share in shares]


def _there(token: Token, label: str) -> Iterator[Key]:
    """Yield every share with a label."""
    wanted = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.LABEL: label}
    with calling(f"looking for {label}"):
        found = list(token.session.get_objects(wanted))
    if not found:
        raise DeviceFailed(Control.KEY_FOUND, f"The token has no '{label}'.")
    for native in found:
        recognise(native, RULES[Usage.CUSTODIAN_SHARE], label, Algorithm.AES_256)
        yield Key.of(Usage.CUSTODIAN_SHARE, Algorithm.AES_256, native)


def _sentence(failed: KifError, token: str) -> str:
    if failed.control is Control.TOKEN_PRESENT:
        return f"There is no token with the label '{token}'. Connect it, or correct the label."
    return failed.sentence.replace("The HSM", "The token")


if __name__ == "__main__":
    main()
