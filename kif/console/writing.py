"""What leaves on paper and comes back: never echoed, not in the scroll-back, in no file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import click

from kif.ceremony.written import WORDS, read_written
from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.keyref import KeyRef
from kif.formats.secret import Secret
from kif.formats.words import to_words

_ASIDE, _BACK = "\x1b[?1049h\x1b[2J\x1b[H", "\x1b[2J\x1b[?1049l"
"""Another screen, which has no scroll-back, and the one before (xterm, alternate screen)."""
_IN_A_ROW = 6
_PATIENCE = 60


def write_by_hand(share: Secret) -> None:
    """Show the words on another screen until they are written down. Raises ``BadInput``."""
    words = to_words(share)
    rows = [
        "".join(
            f"  {number:2} {word:<9}"
            for number, word in enumerate(words[at : at + _IN_A_ROW], start=at + 1)
        )
        for at in range(0, WORDS, _IN_A_ROW)
    ]
    show_aside(
        f"Write these {WORDS} words down, in this order. Four letters of each tell it.", rows
    )


def digit_rows(component: Secret) -> list[str]:
    """Return a component as people write it: rows of four groups of four hex digits."""
    text = component.reveal().hex().upper()
    groups = [text[at : at + 4] for at in range(0, len(text), 4)]
    return ["  ".join(groups[at : at + 4]) for at in range(0, len(groups), 4)]


def show_aside(told: str, rows: Sequence[str]) -> None:
    """Show what is secret on another screen until it is written down. Raises ``BadInput``."""
    if not sys.stdout.isatty():
        raise BadInput(
            Control.USAGE, "Without a terminal nobody can write it down. Choose another medium."
        )
    click.echo(_ASIDE, nl=False)
    try:
        click.echo("\n".join((told, *rows)))
        click.prompt("Enter, when they are written", default="", show_default=False)
    finally:
        click.echo(_BACK, nl=False)


def send_to_printer(sheet: bytes) -> None:
    """Hand a sheet (PDF) to the printing system, without a file. Raises ``BadInput`` (QUORUM)."""
    name = click.prompt("  printer (Enter: the usual one)", default="", show_default=False)
    command = ["lp", "-s", "-t", "sheet", *(["-d", name] if name else [])]
    try:
        done = subprocess.run(
            command, input=sheet, capture_output=True, check=False, timeout=_PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired):
        raise BadInput(
            Control.QUORUM,
            "Nothing could be printed: there is no answer of 'lp'. Set a printer up (CUPS), or "
            "choose another medium.",
        ) from None
    if done.returncode:
        raise BadInput(
            Control.QUORUM,
            f"The printing system did not take the sheet (lp ended with {done.returncode}). Choose "
            "another printer or medium.",
        )


def read_back(key: KeyRef, number: int, share: Secret) -> None:
    """Have what is on paper read back now. Raises ``BadInput`` (QUORUM) when it differs."""
    click.echo("  Read it back from the paper, so that it is known to be right.")
    if ask_written(key, number).reveal() != share.reveal():
        raise BadInput(
            Control.QUORUM,
            "What was read back is another share than the one that was given. Destroy the paper, "
            "and take it again.",
        )


def ask_written(key: KeyRef, number: int) -> Secret:
    """Ask for the words of a sheet, or its QR code by a scanner; neither is shown."""
    typed = click.prompt(f"  {WORDS} words, or the QR code by a scanner", hide_input=True)
    return read_written(typed, key, number)
