"""Issuer scripts to a finished card: the issuer's side is pyemv, with the issuer's own master keys.

So the card's keys for scripts, which went to it wrapped out of the HSM, are those of the issuer.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from pyemv import kd, sm

from kif.formats import pinblock
from kif.formats.apdu import Command, Response
from kif.formats.pinverify import verify
from kif.formats.secret import Secret
from kif.formats.state import JobState
from kif.formats.tlv import find, tlv
from kif.oracle.local import LocalOracle
from kif.oracle.messages import BatchView
from kif.simulator import emv
from kif.simulator.card import Card
from kif.simulator.issuer import TestIssuer
from tests.oracle.test_chip import card
from tests.oracle.test_offline import batch, checked
from tests.oracle.test_pin import odd, reference
from tests.site import ISSUER

__all__ = ["batch"]


class Issuer:
    """A card in a transaction, and its issuer's session keys over the ARQC (EMV Book 2, A1.3)."""

    def __init__(self, chip: Card) -> None:
        self.chip = chip
        self.asked(Command(0, 0xA4, 4, 0, emv.APPLICATION_AID, 256))
        self.asked(Command(0x80, 0xA8, 0, 0, tlv(0x83, b""), 256))
        answer = self.asked(Command(0x80, 0xAE, 0x80, 0, bytes(29), 256))
        self.atc, self.arqc = (find(answer, tag) or b"" for tag in (0x9F36, 0x9F26))
        account = (chip.application.stored.object_of(0x5A) or b"").hex()
        self.integrity, self.confidentiality = (
            self._session(odd(TestIssuer(Path(), ISSUER).master_key(name)), account)
            for name in ("emv-smi", "emv-smc")
        )

    def _session(self, master: bytes, account: str) -> bytes:
        return bytes(kd.derive_common_sk(kd.derive_icc_mk_a(master, account, "00"), self.arqc))

    def asked(self, command: Command) -> bytes:
        response = Response.decode(self.chip.apdu(command.encode()))
        assert response.ok, f"{response.sw:04X}"
        return response.data

    def command(self, instruction: int, p2: int = 0, body: bytes = b"") -> bytes:
        header = bytes((0x84, instruction, 0, p2, len(body) + 8))
        mac = sm.generate_command_mac(self.integrity, header + self.atc + self.arqc + body)
        return header + body + bytes(mac)

    def script(self, instruction: int, p2: int = 0, body: bytes = b"") -> int:
        return Response.decode(self.chip.apdu(self.command(instruction, p2, body))).sw

    def new_pin(self, pin: str) -> bytes:
        block = sm.format_iso9564_2_pin_block(pin)
        return bytes(sm.encrypt_command_data(self.confidentiality, block, sm.EncryptionType.EMV))

    def tried(self, pin: str) -> int:
        return Response.decode(self.chip.apdu(verify(Secret(pin.encode())))).sw


@pytest.fixture
def issuer(oracle: LocalOracle, batch: BatchView) -> Issuer:
    chip = card()
    assert checked(oracle, batch, chip).state is JobState.GOOD
    chip.reset()
    return Issuer(chip)


def test_an_issuer_unblocks_and_changes_a_pin(issuer: Issuer) -> None:
    pin = reference(issuer.chip)
    first = pinblock.pin_of(Secret(pin.block)).reveal().decode()
    other = f"{(int(first) + 1) % 10_000:04}"
    assert [issuer.tried(other) for _ in range(4)] == [0x63C2, 0x63C1, 0x63C0, 0x6983]
    assert issuer.script(0x24) == 0x9000
    assert issuer.tried(first) == 0x9000
    assert issuer.script(0x24, 2, issuer.new_pin("271828")) == 0x9000
    assert issuer.tried(first) == 0x63C2
    assert issuer.tried("271828") == 0x9000
    again = emv.EmvApplication.of(issuer.chip.application.memory(), issuer.chip.opens)
    assert again.pin is not None
    assert again.pin.block.hex().upper() == "26271828FFFFFFFF"


def test_an_issuer_blocks_an_application_and_takes_it_back(issuer: Issuer) -> None:
    assert issuer.script(0x1E) == 0x9000
    issuer.chip.reset()
    select = Command(0, 0xA4, 4, 0, emv.APPLICATION_AID, 256).encode()
    assert Response.decode(issuer.chip.apdu(select)).sw == 0x6283
    issuer.asked(Command(0x80, 0xA8, 0, 0, tlv(0x83, b""), 256))
    answer = issuer.asked(Command(0x80, 0xAE, 0x80, 0, bytes(29), 256))
    assert find(answer, 0x9F27) == b"\x00"  # an AAC
    assert issuer.script(0x18) == 0x6985  # there is no ARQC, over which a MAC could be
    issuer.chip.application.blocked = False
    unblocking = Issuer(issuer.chip)
    unblocking.chip.application.blocked = True
    assert unblocking.script(0x18) == 0x9000
    assert Response.decode(issuer.chip.apdu(select)).sw == 0x9000


WRONG: dict[str, tuple[int, int, bytes, int]] = {
    "an unknown way of changing": (0x24, 1, b"", 0x6A86),
    "a new PIN where there is none to be": (0x24, 0, bytes(16), 0x6A80),
    "half a block": (0x24, 2, bytes(4), 0x6A80),
    "no PIN block": (0x24, 2, bytes(16), 0x6A80),
    "data for blocking": (0x1E, 0, bytes(8), 0x6A86),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_script_that_says_something_else_changes_nothing(issuer: Issuer, kind: str) -> None:
    instruction, p2, body, status = WRONG[kind]
    before = issuer.chip.application.memory()
    assert issuer.script(instruction, p2, body) == status
    assert issuer.chip.application.memory() == before


def test_a_script_without_the_issuers_mac_changes_nothing(issuer: Issuer) -> None:
    before = issuer.chip.application.memory()
    whole = issuer.command(0x24, 2, issuer.new_pin("271828"))
    for at in range(3, len(whole)):
        if at == 4:
            continue  # another Lc is no command at all
        spoilt = bytes((*whole[:at], whole[at] ^ 1, *whole[at + 1 :]))
        assert Response.decode(issuer.chip.apdu(spoilt)).sw == 0x6988
    for short in (b"\x84\x24\x00\x00", b"\x84\x24\x00\x00\x04" + whole[-4:]):
        assert Response.decode(issuer.chip.apdu(short)).sw == 0x6988
    assert Response.decode(issuer.chip.apdu(b"\x80" + whole[1:])).sw == 0x6E00
    assert issuer.chip.application.memory() == before


def test_there_is_no_script_before_an_arqc(issuer: Issuer) -> None:
    whole = issuer.command(0x24)
    issuer.chip.reset()
    issuer.asked(Command(0, 0xA4, 4, 0, emv.APPLICATION_AID, 256))
    assert Response.decode(issuer.chip.apdu(whole)).sw == 0x6985
    issuer.asked(Command(0x80, 0xA8, 0, 0, tlv(0x83, b""), 256))
    assert Response.decode(issuer.chip.apdu(whole)).sw == 0x6985
