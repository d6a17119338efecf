"""A dry run: what it tells is what a real card is sent, and nothing of the cardholder."""

from __future__ import annotations

import pytest

from kif.chip.personalise import personalise
from kif.formats.error import BadInput, Refused
from kif.formats.script import Script
from kif.oracle.local import LocalOracle
from kif.oracle.messages import BatchView, JobRef, Line
from tests.hsm.objects import nothing_left
from tests.oracle.test_chip import Wire, card, token
from tests.site import ISSUER, TestSite, claimed, received_file, released_batch


class Recording(Wire):
    """A card whose commands are noted as they come."""

    def __init__(self) -> None:
        super().__init__(card())
        self.sent: list[bytes] = []

    def transmit(self, command: bytes) -> bytes:
        self.sent.append(command)
        return super().transmit(command)


def released(site: TestSite, oracle: LocalOracle, product: str) -> BatchView:
    number = len(oracle.supervision.batches())
    return released_batch(site, oracle, f"D-{number}", 1, first=number * 100 + 1, product=product)


def lines(oracle: LocalOracle, batch: BatchView) -> list[Line]:
    return list(oracle.supervision.dry_run(JobRef(batch.id, 1)))


@pytest.mark.parametrize("product", ["test-debit", "test-credit"])
def test_a_real_card_is_sent_what_the_dry_run_told(
    site: TestSite, oracle: LocalOracle, product: str
) -> None:
    """Instruction, P1 and P2 of every command in its order; the class but for the C-MAC's bit."""
    batch = released(site, oracle, product)
    oracle.gateway.desk.pin_storage(batch.id)
    with nothing_left(token(oracle)):
        told = lines(oracle, batch)
        chip = Recording()
        personalise(claimed(oracle, batch.id), chip, oracle.chip)
    assert [bytes((raw[0] & ~0x04, *raw[1:4])) for raw in chip.sent] == [
        bytes((raw[0] & ~0x04, *raw[1:])) for raw in (bytes.fromhex(line.command) for line in told)
    ]
    assert lines(oracle, batch) == told  # and the same again afterwards


def test_a_dry_run_names_keys_and_tells_nothing_of_the_cardholder(
    site: TestSite, oracle: LocalOracle
) -> None:
    batch = released(site, oracle, "test-credit")
    told = [line.what for line in lines(oracle, batch)]
    whole = "\n".join(told)
    assert f"STORE DATA 8000: card keys of {{{ISSUER}/emv-ac/1}}" in whole
    assert "STORE DATA 8010: {pin}, 16 bytes" in told
    assert "STORE DATA 7F49: {key-pair}, 2 bytes" in told
    assert f"{{card-certificate}} by {{{ISSUER}/emv-issuer/1}}, 183 bytes" in whole
    assert f"PUT KEY: three keys derived from {{{ISSUER}/issuer-domain/1}}" in told
    assert "STORE DATA 9010: 0303" in told
    job = JobRef(batch.id, 1)
    with oracle.gateway.desk.record.reading() as (state, tx):
        clear = oracle.gateway.desk.bound_script(state, tx.connection, job)
    script = Script.decode(clear)
    assert script.pin is not None
    for secret in (script.pin.account, script.pin.kept, "CARDHOLDER", b"TEST/CARD".hex().upper()):
        assert secret not in whole
    assert whole.count("{cardholder data}") == 4  # tracks and the account, on both interfaces


def test_parts_and_sessions_are_told(site: TestSite, oracle: LocalOracle) -> None:
    batch = released(site, oracle, "test-credit")
    assert {(line.session, line.part) for line in lines(oracle, batch)} == {(1, 1), (1, 2)}


def test_what_is_not_prepared_has_no_dry_run(oracle: LocalOracle) -> None:
    number = len(oracle.supervision.batches())
    view = oracle.gateway.admit(received_file(f"D-{number}", 1, number * 100 + 1), again=True)
    with pytest.raises(Refused, match="is not prepared yet"):
        lines(oracle, view)
    with pytest.raises(BadInput, match="There is no batch"):
        oracle.supervision.dry_run(JobRef("00" * 8, 1))
