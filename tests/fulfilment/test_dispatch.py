"""The dispatch list."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from kif.formats.state import BatchState, JobState
from kif.fulfilment.dispatch import dispatch_batch
from kif.oracle.interface import BatchView, JobRef, JobView

STATES = [JobState.GOOD, JobState.SUSPECT, JobState.DISPATCHED, JobState.PREPARED]


class Desk:
    """Fulfilment's desk."""

    digest = ""

    def batch(self, batch: str) -> BatchView:
        return BatchView(batch, "bank", "F-1", "p", 4, BatchState.RELEASED, (), {})

    def jobs(self, batch: str) -> Sequence[JobView]:
        return [
            JobView(JobRef(batch, n), batch, n, "9", f"pseudonym-{n}", state, f"serial-{n}", None)
            for n, state in enumerate(STATES, start=1)
        ]

    def dispatched(self, batch: str, count: int, list_digest: str) -> BatchView:
        assert count == 1  # the second good card has left before
        self.digest = list_digest
        return self.batch(batch)


def test_the_list_has_the_good_cards_and_its_digest_is_recorded(tmp_path: Path) -> None:
    desk = Desk()
    path = dispatch_batch("b", desk, tmp_path / "out")
    content = path.read_bytes()
    assert desk.digest == hashlib.sha256(content).hexdigest()
    assert [card["number"] for card in json.loads(content)["cards"]] == [1, 3]
    assert dispatch_batch("b", desk, tmp_path / "out").read_bytes() == content
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["F-1.json"]
