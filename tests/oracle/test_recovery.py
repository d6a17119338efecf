"""After any end of the process, every card is accounted for."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kif.formats.state import JobState
from kif.graphics.front import require_fit
from kif.hsm.data import find_retention_key, make_retention_key
from kif.hsm.form import find_master, generate_master
from kif.hsm.key import Algorithm
from kif.ledger.event import Entry
from kif.oracle.audit import audit
from kif.oracle.local import LocalOracle
from kif.oracle.messages import BatchView
from kif.preparation.prepare import prepare_batch
from kif.simulator.card import Card
from tests.killing import killed_at
from tests.oracle.test_chip import Wire, make
from tests.site import TestSite, claimed, make_site, received_file, released_batch


def claim(oracle: LocalOracle, batch: BatchView) -> None:
    claimed(oracle, batch.id)


def open_segment(oracle: LocalOracle, batch: BatchView) -> None:
    held, chip = claimed(oracle, batch.id), Wire(Card())
    answers = [chip.transmit(command) for command in held.segment.commands]
    oracle.chip.next(held.lease, 1, answers)


def personalise(oracle: LocalOracle, batch: BatchView) -> None:
    make(oracle, batch, Card())


def print_it(oracle: LocalOracle, batch: BatchView) -> None:
    oracle.graphics.printed(make(oracle, batch, Card()).view.id)


STOPPED: dict[str, tuple[Callable[[LocalOracle, BatchView], None], JobState, str]] = {
    "claimed": (claim, JobState.PREPARED, "claim-withdrawn"),
    "personalising": (open_segment, JobState.SUSPECT, "card-suspect"),
    "personalised": (personalise, JobState.SUSPECT, "card-suspect"),
    "printed": (print_it, JobState.SUSPECT, "card-suspect"),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> TestSite:
    """A site of this module's own."""
    return make_site(tmp_path_factory.mktemp("home"))


def last_kind(oracle: LocalOracle) -> str:
    with oracle.gateway.desk.record.reading() as (_, tx):
        return [Entry.decode(leaf).event.kind for leaf in tx.ledger.leaves()][-1]


@pytest.mark.control("KIF-ORA-03", "KIF-ORA-05")
@pytest.mark.parametrize("case", STOPPED)
def test_a_card_that_was_on_the_line_is_accounted_for(site: TestSite, case: str) -> None:
    stop, state, kind = STOPPED[case]
    first = 1 + 10 * list(STOPPED).index(case)
    with site.oracle() as oracle:
        batch = released_batch(site, oracle, case, 2, first=first)
        stop(oracle, batch)
        assert oracle.supervision.jobs(batch.id)[0].state.value == case
    with site.oracle() as oracle:
        assert [job.state for job in oracle.supervision.jobs(batch.id)] == [
            state,
            JobState.PREPARED,
        ]
        assert last_kind(oracle) == kind
    with site.oracle() as oracle:  # and nothing more happens the next time
        assert [job.state for job in oracle.supervision.jobs(batch.id)] == [
            state,
            JobState.PREPARED,
        ]


@pytest.mark.control("KIF-ORA-09")
def test_nothing_in_the_token_is_destroyed_because_the_database_does_not_know_it(
    tmp_path: Path,
) -> None:
    """0.1.0 destroyed the data keys of every batch that a restored backup lacked."""
    site = make_site(tmp_path / "home")
    with site.oracle() as oracle:
        token = oracle.gateway.desk.keys.token
        make_retention_key(token, "test-issuer/retention/203001")
        generate_master(token, "test-vendor/card-manager/9", Algorithm.AES_128)
    with site.oracle() as oracle:
        token = oracle.gateway.desk.keys.token
        assert find_retention_key(token, "test-issuer/retention/203001")
        assert find_master(token, "test-vendor/card-manager/9", Algorithm.AES_128)


@pytest.mark.control("KIF-ORA-09")
def test_a_retention_key_whose_first_batch_did_not_commit_is_taken_by_the_next(
    tmp_path: Path,
) -> None:
    site = make_site(tmp_path / "home")
    assert killed_at(site.home.path, "admit", "kif.oracle.gateway:new_seed", "before")
    with site.oracle() as oracle:
        view = oracle.gateway.admit(received_file("NEXT", 1), again=True)
        prepare_batch(view.id, oracle.preparation, require_fit, lambda: None)
    audit(site.home)
