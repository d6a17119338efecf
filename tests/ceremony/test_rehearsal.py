"""Each shipped plan, played to its end: what is said stands in docs/ceremonies."""

import runpy
from pathlib import Path

import pytest

from tests.site import PLAN

SCRIPT = Path(__file__).parents[2] / "scripts" / "rehearsals"
RUN = runpy.run_path(str(SCRIPT))


@pytest.mark.control("KIF-CER-01")
@pytest.mark.parametrize("name", sorted(path.stem for path in PLAN.parent.glob("*.yaml")))
def test_what_is_said_in_a_rehearsal_is_what_the_docs_say(name: str) -> None:
    golden = RUN["TRANSCRIPTS"] / f"{name}.txt"
    said = RUN["transcript"](name)
    assert said == golden.read_text(), "run scripts/rehearsals"
    assert "signs the end of the record" in said


def test_there_is_no_transcript_of_a_plan_that_is_gone() -> None:
    plans = {path.stem for path in PLAN.parent.glob("*.yaml")}
    assert {path.stem for path in RUN["TRANSCRIPTS"].glob("*.txt")} == plans | {"usage"}


def test_the_usage_is_what_the_docs_say() -> None:
    golden = RUN["TRANSCRIPTS"] / "usage.txt"
    assert RUN["usage"]() == golden.read_text(), "run scripts/rehearsals"
