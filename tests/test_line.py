"""The whole line, in process: an issuer's file from openssl, the HSM, and cards behind pcscd."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa

import kif.chip.reader as reader_module
from kif.formats.control import Control
from kif.formats.error import DeviceFailed, KifError, Refused
from kif.formats.link import CardLink
from kif.formats.state import BatchState, JobState
from kif.fulfilment.dispatch import dispatch_batch
from kif.gateway.receive import receive_file
from kif.graphics.front import require_fit
from kif.graphics.print import SimulatedLaser
from kif.graphics.stripe import SimulatedEncoder
from kif.ledger.verify import LogReport, verify_log
from kif.line.machine import Machine
from kif.line.round import Tally, make_cards
from kif.oracle.local import LocalOracle
from kif.oracle.messages import BatchView
from kif.preparation.prepare import prepare_batch
from kif.preparation.product import load_product
from kif.simulator.card import Card
from kif.simulator.issuer import TestIssuer
from kif.store.models import Site
from tests.gateway.sender import CONTENT, PANS, Identity, encrypt, header, lines, record, sign
from tests.machine import LoadedMachine
from tests.site import OPERATORS, TestSite, shared_issuer

NOW = datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture(scope="module")
def issuer() -> TestIssuer:
    """The registered test issuer."""
    return shared_issuer()


def received(oracle: LocalOracle, issuer: TestIssuer, count: int) -> BatchView:
    number = len(oracle.supervision.batches()) + 1
    path = issuer.folder / f"{number}.cms"
    issuer.write_file(
        path,
        recipient_certificate=oracle.gateway.recipient_certificate(),
        reference=f"LINE-{number}",
        product="test-debit",
        count=count,
        first_number=1000 * number,
        today=NOW.date(),
    )
    return receive_file(path, oracle.gateway, NOW, load_product)


def released(site: TestSite, oracle: LocalOracle, issuer: TestIssuer, count: int) -> BatchView:
    view = received(oracle, issuer, count)
    prepare_batch(view.id, oracle.preparation, require_fit, lambda: None)
    for person in OPERATORS:
        view = site.approve(oracle, view.id, person)
    return view


def verified(oracle: LocalOracle) -> LogReport:
    with oracle.gateway.desk.record.reading() as (_, tx):
        return verify_log(tx.ledger, tx.session.query(Site).one().log_verifier)


def outcome(oracle: LocalOracle, batch: BatchView) -> tuple[int, int, int]:
    ended = verified(oracle).state.batches.known[batch.id].outcome
    assert ended is not None
    return ended.good, ended.suspect, ended.left


def test_a_batch_goes_from_the_issuers_file_to_the_dispatch_list(
    site: TestSite, oracle: LocalOracle, issuer: TestIssuer, machine: LoadedMachine, tmp_path: Path
) -> None:
    machine.load()
    batch = released(site, oracle, issuer, 4)
    with machine.open() as line:
        made = make_cards(oracle, batch.id, line)
    assert (made.good, made.suspects, made.rejected) == (4, [], [])
    dispatch_batch(batch.id, oracle.fulfilment, tmp_path)
    closed = oracle.supervision.close_batch(batch.id)
    assert (closed.state, closed.jobs) == (BatchState.CLOSED, {JobState.DISPATCHED: 4})
    assert outcome(oracle, batch) == (4, 0, 0)


FAULTS = ("wrong-cryptogram@2", "vanish@3:8", "refuse@4:9", "bad-rmac@5", "wrong-arqc@6")


@pytest.mark.control("KIF-CHIP-02", "KIF-CHIP-03", "KIF-ORA-05")
def test_each_failing_card_is_suspect_and_the_rest_go_on(
    site: TestSite, oracle: LocalOracle, issuer: TestIssuer, machine: LoadedMachine, tmp_path: Path
) -> None:
    machine.load(*FAULTS)
    batch = released(site, oracle, issuer, 7)
    with machine.open() as line:
        made = make_cards(oracle, batch.id, line)
    assert [job.number for job in made.suspects] == [2, 3, 4, 5]  # the first blank cost no job
    assert ["KIF-CHIP-02" in why for why in made.rejected] == [True]
    dispatch_batch(batch.id, oracle.fulfilment, tmp_path)
    closed = oracle.supervision.close_batch(batch.id)
    assert closed.jobs == {JobState.DISPATCHED: 3, JobState.SUSPECT: 4}
    assert outcome(oracle, batch) == (3, 4, 0)


def test_a_card_may_vanish_at_any_of_its_commands(
    site: TestSite, oracle: LocalOracle, issuer: TestIssuer, machine: LoadedMachine
) -> None:
    """Eighteen commands: selection, channel, script, quality control; never two cards lost."""
    commands = 18
    for first in (1, 7, 13):
        places = range(first, min(first + 6, commands + 1))
        machine.load(*(f"vanish@{n}:{place}" for n, place in enumerate(places, start=1)))
        batch = released(site, oracle, issuer, len(places) + 1)
        with machine.open() as line:
            made = make_cards(oracle, batch.id, line)
        before_keys = sum(place <= 2 for place in places)
        assert (len(made.rejected), len(made.suspects)) == (before_keys, len(places) - before_keys)
        assert oracle.supervision.jobs(batch.id)[-1].state is JobState.GOOD


@pytest.mark.control("KIF-CHIP-03")
def test_an_empty_hopper_stops_the_line_and_loses_nothing(
    site: TestSite, oracle: LocalOracle, issuer: TestIssuer, machine: LoadedMachine
) -> None:
    machine.load(cards=2)
    batch = released(site, oracle, issuer, 3)
    with machine.open() as line, pytest.raises(DeviceFailed, match="hopper is empty"):
        make_cards(oracle, batch.id, line)
    assert oracle.supervision.batch(batch.id).jobs == {JobState.GOOD: 2, JobState.PREPARED: 1}
    machine.load()
    with machine.open() as line:
        make_cards(oracle, batch.id, line)
    assert oracle.supervision.batch(batch.id).jobs == {JobState.GOOD: 3}


@contextmanager
def held(name: str) -> Iterator[None]:
    """Keep the reader open in another PC/SC program, as GnuPG's scdaemon does."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, name], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        yield
        other.kill()


HOLD = """
import sys
from smartcard import scard
_, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
assert scard.SCardConnect(context, sys.argv[1], scard.SCARD_SHARE_DIRECT, 0)[0] == 0
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.control("KIF-CHIP-01")
def test_a_reader_that_another_program_holds_stops_the_line_and_costs_no_card(
    site: TestSite,
    oracle: LocalOracle,
    issuer: TestIssuer,
    machine: LoadedMachine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reader_module, "_SHOWING", 0.3)
    machine.load()
    batch, told = released(site, oracle, issuer, 2), Tally()
    refused = pytest.raises(DeviceFailed, match=r"Another program holds the reader 'VPCD A 00 00'")
    with held(machine.reader), machine.open() as line, refused:
        make_cards(oracle, batch.id, line, told)
    assert str(told) == "0 good, 0 suspect, 0 blanks rejected."
    assert oracle.supervision.batch(batch.id).jobs == {JobState.PREPARED: 2}
    with machine.open() as line:
        assert make_cards(oracle, batch.id, line).good == 2


class FailingReader(CardLink):
    """A card without a reader's faults, until one comes at a command (0: at power up)."""

    name = "reader"

    def __init__(self, at: int) -> None:
        self.at, self.count, self.card = at, 0, Card()

    def connect(self) -> None:
        self.card, self.count = Card(), 0
        self._count()

    def transmit(self, command: bytes) -> bytes:
        self._count()
        return self.card.apdu(command)

    def disconnect(self) -> None:
        pass

    def _count(self) -> None:
        if self.count == self.at:
            raise DeviceFailed(Control.READER, "The reader 'reader' can't be used.")
        self.count += 1


class Belt:
    """Cards without a machine; where each went."""

    def __init__(self) -> None:
        self.stacked: list[bool] = []

    def feed(self) -> bool:
        return True

    def place(self, *, antenna: bool) -> None:
        raise AssertionError(antenna)

    def stack(self, good: bool) -> None:
        self.stacked.append(good)

    def clear(self) -> bool:
        return False

    def close(self) -> None:
        pass


@pytest.mark.control("KIF-CHIP-01")
@pytest.mark.parametrize("at", [0, 1, 2, 3, 9, 14, 18])
def test_a_reader_that_fails_costs_a_card_only_once_a_key_has_left(
    site: TestSite, oracle: LocalOracle, issuer: TestIssuer, at: int
) -> None:
    batch, belt, said = released(site, oracle, issuer, 3), Belt(), list[str]()
    reader: Any = FailingReader(at)
    line = Machine("station-1", reader, reader, belt, SimulatedLaser(), SimulatedEncoder())
    told = Tally(said.append)
    with pytest.raises(DeviceFailed, match="can't be used"):
        make_cards(oracle, batch.id, line, told)
    lost = at > 2  # SELECT and INITIALIZE UPDATE come before any key
    assert belt.stacked == [False]
    assert (len(told.suspects), told.rejected, len(said)) == (lost, [], lost)
    jobs = oracle.supervision.batch(batch.id).jobs
    assert jobs[JobState.PREPARED] == 3 - lost


@pytest.mark.control("KIF-ORA-11")
def test_a_hopper_of_foreign_blanks_stops_the_station_after_three(
    site: TestSite, oracle: LocalOracle, issuer: TestIssuer, machine: LoadedMachine
) -> None:
    machine.load(*(f"foreign@{number}" for number in range(1, 10)))
    batch, said = released(site, oracle, issuer, 2), list[str]()
    with machine.open() as line, pytest.raises(Refused, match=r"kif station resume station-1"):
        make_cards(oracle, batch.id, line, Tally(said.append))
    assert len(said) == 3
    assert all("SELECT of A000000151000000 was answered 6A82" in each for each in said)
    assert oracle.supervision.batch(batch.id).jobs == {JobState.PREPARED: 2}
    oracle.stations.resume("station-1", "the right blanks are in the hopper")
    machine.load()
    with machine.open() as line:
        assert make_cards(oracle, batch.id, line).good == 2


def test_cards_of_t0_are_made_as_well(
    site: TestSite, oracle: LocalOracle, issuer: TestIssuer, machine: LoadedMachine
) -> None:
    machine.load("t0@1", "t0@2")
    batch = released(site, oracle, issuer, 3)
    with machine.open() as line:
        made = make_cards(oracle, batch.id, line)
    assert (made.good, made.suspects, made.rejected) == (3, [], [])


@pytest.mark.parametrize(("at", "lost"), [(2, 0), (5, 1)])
def test_a_mute_card_stops_the_line_after_a_time(
    site: TestSite,
    oracle: LocalOracle,
    issuer: TestIssuer,
    machine: LoadedMachine,
    monkeypatch: pytest.MonkeyPatch,
    at: int,
    lost: int,
) -> None:
    monkeypatch.setattr(reader_module, "_ANSWERING", 1.5)
    machine.load(f"mute@1:{at}")
    batch = released(site, oracle, issuer, 2)
    with machine.open() as line, pytest.raises(DeviceFailed, match="did not answer within"):
        make_cards(oracle, batch.id, line)
    assert oracle.supervision.batch(batch.id).jobs[JobState.PREPARED] == 2 - lost
    with machine.open() as line:
        assert make_cards(oracle, batch.id, line).good == 2 - lost


def test_what_a_killed_run_left_in_the_reader_is_cleared_by_the_next(
    site: TestSite, oracle: LocalOracle, issuer: TestIssuer, machine: LoadedMachine
) -> None:
    machine.load()
    batch, said = released(site, oracle, issuer, 1), list[str]()
    with machine.open() as line:
        line.transport.feed()
    with machine.open() as line:
        assert make_cards(oracle, batch.id, line, Tally(said.append)).good == 1
    assert said == ["A card was left in the reader; it is in the reject box now."]


@pytest.fixture(scope="module")
def bank(issuer: TestIssuer) -> Identity:
    """The issuer's identity, for files that it would not write itself."""
    return Identity(issuer.folder / "test-key.pem", issuer.folder / "certificate.pem")


BAD = {
    "a wrong count": (lines(header(issuer="test-issuer", count=9), record(PANS[0])), "KIF-GW-06"),
    "a wrong check digit": (lines(header(issuer="test-issuer"), record("1" * 16)), "KIF-GW-09"),
    "another issuer": (CONTENT, "KIF-GW-04"),
    "no records": (lines(header(issuer="test-issuer")), "KIF-GW-06"),
}


@pytest.mark.control("KIF-GW-06")
@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_leaves_nothing_but_its_refusal(
    oracle: LocalOracle, bank: Identity, tmp_path: Path, case: str
) -> None:
    content, control = BAD[case]
    certificate = tmp_path / "us.pem"
    certificate.write_text(oracle.gateway.recipient_certificate())
    path = tmp_path / "bad.cms"
    path.write_bytes(encrypt(sign(content, bank), Identity(certificate, certificate)))
    batches, size = len(oracle.supervision.batches()), verified(oracle).size
    with pytest.raises(KifError) as refused:
        receive_file(path, oracle.gateway, NOW, load_product)
    assert refused.value.control.value == control
    assert len(oracle.supervision.batches()) == batches
    assert verified(oracle).size == size + 1


def told(path: Path, raw: bytes, oracle: LocalOracle) -> tuple[str, str]:
    """Return control and sentence of the refusal of a file with this content."""
    path.write_bytes(raw)
    with pytest.raises(KifError) as refused:
        receive_file(path, oracle.gateway, NOW, load_product)
    return refused.value.control.value, refused.value.sentence


@pytest.mark.control("KIF-GW-02")
def test_a_key_that_does_not_unwrap_and_content_that_does_not_decrypt_are_told_alike(
    oracle: LocalOracle, bank: Identity, tmp_path: Path
) -> None:
    """Nothing tells the sender of a forged file whether its RSA padding was right (RFC 3218)."""
    certificate, path = tmp_path / "us.pem", tmp_path / "forged.cms"
    certificate.write_text(oracle.gateway.recipient_certificate())
    raw = encrypt(sign(CONTENT, bank), Identity(certificate, certificate))
    key = raw.index(bytes.fromhex("04820180")) + 4  # the encrypted key: an OCTET STRING of 384
    recipient = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    assert isinstance(recipient, rsa.RSAPublicKey)
    well_padded = [recipient.encrypt(os.urandom(32), padding.PKCS1v15()) for _ in range(3)]
    badly = [os.urandom(383) + b"\x01", b"\x00" * 384, recipient.encrypt(b"", padding.PKCS1v15())]
    found = {
        told(path, raw[:key] + other + raw[key + 384 :], oracle) for other in (*well_padded, *badly)
    }
    assert len(found) == 1
    ((control, sentence),) = found
    assert control == "KIF-GW-02"
    assert "does not decrypt to signed data" in sentence


@pytest.mark.control("KIF-GW-02")
def test_a_file_that_was_altered_anywhere_changes_no_card(
    oracle: LocalOracle, issuer: TestIssuer, tmp_path: Path
) -> None:
    path = issuer.folder / "altered.cms"
    issuer.write_file(
        path,
        recipient_certificate=oracle.gateway.recipient_certificate(),
        reference="ALTERED",
        product="test-debit",
        count=2,
        first_number=999_000,
        today=NOW.date(),
    )
    raw, taken = path.read_bytes(), []
    for place in range(0, len(raw), 61):
        path.write_bytes(raw[:place] + bytes((raw[place] ^ 4,)) + raw[place + 1 :])
        with contextlib.suppress(KifError):
            taken.append(receive_file(path, oracle.gateway, NOW, load_product))
    path.write_bytes(raw)
    assert len(taken) <= 1  # the certificate in it proves nothing, and may differ
    if taken:
        with pytest.raises(Refused, match=f"received before, as batch {taken[0].id}"):
            receive_file(path, oracle.gateway, NOW, load_product)
    else:
        receive_file(path, oracle.gateway, NOW, load_product)
