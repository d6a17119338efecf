"""A custodian's own token for tests: another SoftHSM, made as its custodian would make it."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from kif.ceremony.rehearsal import RehearsalPeople
from kif.formats.keyref import KeyRef
from kif.formats.secret import Secret
from kif.hsm.custodian import CustodianToken
from kif.hsm.handover import Handover
from kif.hsm.library import softhsm_library
from kif.hsm.token import TokenPlace
from kif.ledger.events.custody import Medium

PIN = "TEST-0001"


def make_own_token(folder: Path, label: str) -> CustodianToken:
    """Initialise a token in a new folder."""
    (folder / "tokens").mkdir(parents=True)
    settings = folder / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {folder / 'tokens'}\n")
    pins = ["--so-pin", "TEST-SO-0001", "--pin", PIN]
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", label, *pins],
        env=os.environ | {"SOFTHSM2_CONF": str(settings)},
        check=True,
        capture_output=True,
    )
    return CustodianToken(TokenPlace(softhsm_library(), label, folder), Secret.of_text(PIN))


@dataclass(frozen=True)
class TokenPeople(RehearsalPeople):
    """People who keep their shares in tokens of their own."""

    tokens: dict[str, CustodianToken] = field(default_factory=dict)

    def give_share(self, person: str, key: KeyRef, number: int, handover: Handover) -> Medium:
        """Have the person's token make it, if there is one."""
        if person not in self.tokens:
            return super().give_share(person, key, number, handover)
        handover.receive(self.tokens[person].make(handover.label, handover.recipient()))
        return Medium.TOKEN

    def take_share(self, person: str, key: KeyRef, number: int, handover: Handover) -> None:
        """Have the person's token hand it over, if there is one."""
        if person not in self.tokens:
            return super().take_share(person, key, number, handover)
        given = self.tokens[person].hand_over(handover.label, handover.recipient())
        return handover.receive(given)
