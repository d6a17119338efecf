"""Progress bars on a terminal; now and then a plain line where there is none.

Progress goes to standard error, so that what a command answers can be read by a program.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

Advance = Callable[[], None]


class Screen:
    """Says what happens, and shows how far it is."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)

    def say(self, text: str) -> None:
        """Print one line."""
        click.echo(text)

    @contextmanager
    def bar(self, title: str, total: int, live: bool = True) -> Iterator[Advance]:
        """Show a bar; call what is yielded after each piece.

        ``live`` is False where somebody is asked meanwhile: a bar would draw over the question.
        """
        if not self._console.is_terminal or not live:
            yield _counting(title, total)
            return
        columns = (
            TextColumn("{task.description:<14}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        asked = sys.stdout.isatty()  # else what is said belongs into the file, not above the bar
        with Progress(*columns, console=self._console, redirect_stdout=asked) as progress:
            task = progress.add_task(title, total=total)
            yield lambda: progress.advance(task)


def _counting(title: str, total: int) -> Advance:
    done = 0
    every = max(1, total // 10)

    def advance() -> None:
        nonlocal done
        done += 1
        if done % every == 0 or done == total:
            click.echo(f"{title}: {done} of {total}", err=True)

    return advance
