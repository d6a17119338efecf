"""The report page, as a browser shows it."""

import base64
import io
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from kif.compliance.account import KeyLine, Release
from kif.console.page import CeremonyLine, Report, render, write_page
from kif.formats.script import Artwork
from kif.formats.state import BatchState, JobState
from kif.graphics.front import specimen
from kif.oracle.messages import BatchView, JobRef, JobView

DAY = datetime(2026, 1, 1, tzinfo=UTC)
REPORT = Report(
    batch=BatchView("b1", "test-bank", "F-1", "test-debit", 2, BatchState.CLOSED, ("a", "b"), {}),
    cards=[
        JobView(
            JobRef("b1", 1), "b1", 1, "99999900", "ab" * 16, JobState.DISPATCHED, "4B494654", None
        ),
        JobView(
            JobRef("b1", 2),
            "b1",
            2,
            "99999900",
            "cd" * 16,
            JobState.SUSPECT,
            None,
            "<script>x</script>",
        ),
    ],
    personalised=1,
    suspect=1,
    cryptograms_verified=1,
    ledger_size=53,
    ledger_root="ef" * 32,
    verifier="kif-test+0000+AA",
    checkpoint="kif-test\n53\nAAAA\n\n— kif-test AAAA\n",
    kinds={"card-verified": 1},
    keys=[KeyLine("emv-ac", "master-derivation", "2TDEA", "des-zero:08D7B4", "genesis")],
    checks=["Everything was checked."],
    ceremonies=[
        CeremonyLine(
            1, "genesis", "kif-test", datetime(2026, 1, 1, tzinfo=UTC), "closed", "x.html"
        ),
        CeremonyLine(2, "issuer-keys", "bank", datetime(2026, 1, 1, tzinfo=UTC), "aborted"),
    ],
    releases=[Release("ada", datetime(2026, 1, 1, 9, 30, tzinfo=UTC), '{"approve":"this"}')],
    specimen=base64.b64encode(
        specimen(Artwork({"number": "9999 9900 0000 0000", "name": "X", "valid_thru": "12/49"}))
    ).decode(),
    made_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
)


def test_everything_is_on_the_page_and_nothing_is_taken_for_html() -> None:
    page = render(REPORT)
    shown = ("F-1", "test-bank", "4B494654", "ef" * 32, "des-zero:08D7B4", "ada")
    for text in (*shown, "2026-01-02 03:04", "2026-01-01 09:30"):
        assert text in page
    assert '<a href="x.html">genesis</a>' in page
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("width", [1200, 420])
def test_a_browser_shows_it(tmp_path: Path, width: int) -> None:
    write_page(tmp_path / "index.html", REPORT)
    picture = tmp_path / "page.png"
    subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *("--disable-background-networking", "--disable-sync", "--no-first-run"),
            *(f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},1400"),
            *(f"--screenshot={picture}", (tmp_path / "index.html").as_uri()),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    image = Image.open(io.BytesIO(picture.read_bytes())).convert("L")
    assert image.width == width
    assert len(image.getcolors(256) or ()) > 20
    told = subprocess.run(
        ["tesseract", str(picture), "-"], capture_output=True, check=True, timeout=120
    ).stdout.decode()
    for words in ("Batch F-1", "cards received", "suspect", "Everything was checked"):
        assert words in told
