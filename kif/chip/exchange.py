"""Calls that may never return, with a time limit: a mute card holds its reader for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any


class Silence(Exception):
    """A call did not come back in time; it may still be waiting, and nothing more is called."""


class Patient:
    """Makes calls one after the other in a thread of its own, which ends with the process.

    So the caller can be interrupted (Ctrl-C) and stops waiting after a time; what is called must
    let other threads run meanwhile, as pyscard does.
    """

    def __init__(self) -> None:
        self.silent = False
        """Whether a call never came back, or nobody waits for it any more."""
        self._since = 0.0
        """When what is called began, or went on to its next part."""
        self._left = False
        """Whether whoever called waits no more."""
        self._asked: SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...]]] = SimpleQueue()
        self._answers: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def call(self, seconds: float, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a call gives, or raise what it raises; ``Silence`` after a time.

        A call that is made of parts has that time for each: see ``go_on``.
        """
        if self.silent:
            raise Silence
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, daemon=True)
            self._thread.start()
        self._since, self._left = time.monotonic(), False
        self.silent = True  # also for whoever interrupts the waiting
        self._asked.put((function, arguments))
        try:
            result, error = self._answer(seconds)
        except BaseException:
            self._left = True
            raise
        self.silent = False
        if error is not None:
            raise error
        return result

    def go_on(self) -> None:
        """Say, within a call, that its next part begins. Raises ``Silence`` when nobody waits."""
        if self._left:
            raise Silence
        self._since = time.monotonic()

    def _answer(self, seconds: float) -> tuple[Any, BaseException | None]:
        while True:
            left = self._since + seconds - time.monotonic()
            if left <= 0:
                raise Silence
            with suppress(Empty):
                return self._answers.get(timeout=left)

    def finally_call(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Call now; or, when a call never came back, in its thread if it still does."""
        if self.silent:
            self._asked.put((function, arguments))
        else:
            function(*arguments)

    def _serve(self) -> None:
        while True:
            function, arguments = self._asked.get()
            try:
                self._answers.put((function(*arguments), None))
            except BaseException as error:
                self._answers.put((None, error))
