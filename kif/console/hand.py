"""A reader that is fed by hand: the operator is told what to do with each card."""

from __future__ import annotations

import sys

import click

from kif.formats.control import Control
from kif.formats.error import BadInput


class HandTransport:
    """Feeds and stacks by asking the operator; stands where a machine's transport would."""

    def __init__(self) -> None:
        if not sys.stdin.isatty():
            raise BadInput(
                Control.USAGE,
                "Without a terminal nobody can feed cards by hand. Name a machine's transport with "
                "--transport.",
            )

    def feed(self) -> bool:
        """Ask for the next blank; False when the operator has none left."""
        answer = click.prompt(
            "Put the next blank card into the reader (Enter), or q when there is none left",
            default="",
            show_default=False,
        )
        return str(answer).strip().lower() != "q"

    def place(self, *, antenna: bool) -> None:
        """Tell the operator where to put the card, and wait until it is there."""
        where = "onto the contactless reader" if antenna else "into the contact reader again"
        click.prompt(f"Put the card {where} (Enter)", default="", show_default=False)

    def stack(self, good: bool) -> None:
        """Tell the operator where the card goes, and wait until it is there."""
        if good:
            click.secho(
                "GOOD. Take the card out, onto the good stack (Enter)", fg="green", nl=False
            )
        else:
            click.secho(
                "REJECT. Take the card out, into the reject box (Enter)", fg="red", nl=False
            )
        click.prompt("", default="", show_default=False, prompt_suffix="")

    def clear(self) -> bool:
        """Nothing is left to clear: ``feed`` asks for the next blank."""
        return False

    def close(self) -> None:
        """Nothing is to be closed."""
