"""The gateway's desk: what is admitted, what is refused, and what rests on the disk."""

import dataclasses

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from kif.formats.control import Control
from kif.formats.error import LedgerUnavailable, Refused
from kif.formats.keyref import of_site
from kif.formats.state import BatchState, JobState
from kif.ledger.event import Entry
from kif.ledger.events.batch import BatchReceived
from kif.oracle.local import LocalOracle
from tests.hsm.objects import nothing_left
from tests.site import TestSite, received_file


def kinds(oracle: LocalOracle) -> list[str]:
    with oracle.gateway.desk.record.reading() as (_, tx):
        return [Entry.decode(leaf).event.kind for leaf in tx.ledger.leaves()]


def test_an_admitted_file_is_a_batch_with_a_job_for_each_card(oracle: LocalOracle) -> None:
    view = oracle.gateway.admit(received_file("A-1", 3), again=True)
    assert (view.state, view.count, view.jobs) == (BatchState.RECEIVED, 3, {JobState.RECEIVED: 3})
    assert kinds(oracle)[-1] == "batch-received"
    jobs = oracle.supervision.jobs(view.id)
    assert [job.number for job in jobs] == [1, 2, 3]
    assert {job.display for job in jobs} == {"99999900"}
    assert len({job.pseudonym for job in jobs}) == 3


@pytest.mark.control("KIF-GW-05")
@pytest.mark.parametrize("change", ["same reference", "same content"])
def test_a_file_is_not_admitted_twice(oracle: LocalOracle, change: str) -> None:
    first = received_file(f"B-{change}", 1)
    oracle.gateway.admit(first, again=True)
    other = received_file(f"C-{change}", 1)
    field = "reference" if change == "same reference" else "content_digest"
    again = dataclasses.replace(other, **{field: getattr(first, field)})
    before = (len(oracle.supervision.batches()), len(kinds(oracle)))
    with pytest.raises(Refused, match="was received before") as refused:
        oracle.gateway.admit(again, again=True)
    assert refused.value.exit_code == 4
    assert (len(oracle.supervision.batches()), len(kinds(oracle))) == before


@pytest.mark.control("KIF-GW-11")
def test_a_card_that_came_before_is_a_question(oracle: LocalOracle) -> None:
    first = oracle.gateway.admit(received_file("F-1", 3, first=800), again=True)
    file, batches = received_file("F-2", 2, first=802), len(oracle.supervision.batches())
    with pytest.raises(Refused, match=f"1 cards of this file .* in batch {first.id}.*--again"):
        oracle.gateway.admit(file)
    assert len(oracle.supervision.batches()) == batches
    oracle.gateway.admit(file, again=True)
    with oracle.gateway.desk.record.reading() as (_, tx):
        event = Entry.decode(list(tx.ledger.leaves())[-1]).event
    assert isinstance(event, BatchReceived)
    assert event.repeated == 1


def test_no_key_stays_when_a_replay_is_refused(oracle: LocalOracle) -> None:
    file = received_file("E-1", 1, first=600)
    oracle.gateway.admit(file, again=True)
    with nothing_left(oracle.gateway.desk.keys.token), pytest.raises(Refused):
        oracle.gateway.admit(file, again=True)


@pytest.mark.control("KIF-ORA-09")
def test_no_key_stays_when_a_batch_can_not_be_written(
    oracle: LocalOracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise LedgerUnavailable(Control.LEDGER_WRITABLE, "The disk is full.")

    monkeypatch.setattr("kif.oracle.gateway._batch_row", fail)
    with nothing_left(oracle.gateway.desk.keys.token), pytest.raises(LedgerUnavailable):
        oracle.gateway.admit(received_file("E-2", 1, first=700), again=True)


def test_a_refused_file_is_on_the_record(oracle: LocalOracle) -> None:
    oracle.gateway.refuse_file("00" * 32, Control.FILE_INTACT, "It was altered.")
    assert kinds(oracle)[-1] == "file-refused"


@pytest.mark.control("KIF-ORA-07")
def test_no_pan_or_name_rests_in_any_file_of_the_home(site: TestSite, oracle: LocalOracle) -> None:
    file = received_file("D-1", 2, first=500)
    oracle.gateway.admit(file, again=True)
    wanted = [card.subject.identity.reveal()[:16] for card in file.cards] + [b"TEST/CARDHOLDER AA"]
    wanted += [bytes.fromhex(card.subject.identity.reveal()[:16].decode()) for card in file.cards]
    content = [path.read_bytes() for path in site.home.path.rglob("*") if path.is_file()]
    assert content
    assert not [secret for secret in wanted for each in content if secret in each]


RECIPIENT = of_site("envelope-recipient")


def recipient_key(oracle: LocalOracle) -> rsa.RSAPublicKey:
    pem = oracle.gateway.recipient_certificate().encode()
    key = x509.load_pem_x509_certificate(pem).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    return key


def test_a_content_key_for_the_bureau_opens_inside_the_hsm(oracle: LocalOracle) -> None:
    encrypted = recipient_key(oracle).encrypt(bytes(range(32)), padding.PKCS1v15())
    with oracle.gateway.open_envelope(RECIPIENT, encrypted, oaep=False) as envelope:
        assert len(envelope.decrypt(bytes(16), bytes(32))) == 32


def test_a_content_key_for_somebody_else_opens_nothing(oracle: LocalOracle) -> None:
    opened = set()
    for _ in range(3):
        with oracle.gateway.open_envelope(RECIPIENT, bytes(384), oaep=False) as envelope:
            opened.add(envelope.decrypt(bytes(16), bytes(32)))
    assert len(opened) == 3
