"""The documents are true: their links lead somewhere, and the commands that they name exist."""

import re
from pathlib import Path

import click
import pytest

from kif.cli.main import kif
from kif.simulator.vendor import VENDORS

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
COMMAND = re.compile(r"(?:^|[`'/ ])kif((?: --home \S+)?(?: [a-z]+(?:-[a-z]+)?){1,2})")


def exists(words: list[str]) -> bool:
    """Return whether words name a command, the last of them perhaps an argument."""
    node: click.Command | None = kif
    for word in words:
        if not isinstance(node, click.Group):
            return True
        node = node.get_command(click.Context(node), word)
        if node is None:
            return False
    return True


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_command_exists(page: Path) -> None:
    code = re.findall(r"^    (.*kif .*)$|`([^`\n]*kif [^`]*)`", page.read_text(), re.M)
    for line in ("".join(each) for each in code):
        for found in COMMAND.findall(line):
            words = re.sub(r"--home \S+", "", found).split()
            assert exists(words), line


def test_the_exit_codes_of_the_documents_are_those_of_the_errors() -> None:
    from kif.formats import error

    told = dict(
        re.findall(r"^\| (\d) \| ([^|]+) \|", (ROOT / "docs/operator.md").read_text(), re.M)
    )
    codes = {
        each.exit_code
        for each in vars(error).values()
        if isinstance(each, type) and issubclass(each, error.KifError)
    }
    assert {int(code) for code in told} == codes | {0}


def test_the_sheets_for_training_are_those_of_the_test_vendors() -> None:
    text = (ROOT / "docs" / "custodian.md").read_text()
    told = re.findall(r"^\|[^|]*\| ([12]) \| `([0-9A-F]{32})` \| `([0-9A-F]{6})` \|$", text, re.M)
    sheets = [sheet for vendor in VENDORS.values() for sheet in vendor.sheets(1)]
    assert [each[1:] for each in told] == sheets
    assert all(f"`{name}`" in text for name in VENDORS)
