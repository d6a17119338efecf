"""Calls that may never return, with a time limit: a mute card holds its reader for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable
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
        """Whether a call never came back."""
        self._asked: SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...]]] = SimpleQueue()
        self._answers: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def call(self, seconds: float, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a call gives, or raise what it raises; ``Silence`` after a time."""
        if self.silent:
            raise Silence
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, daemon=True)
            self._thread.start()
        self.silent = True  # also for whoever interrupts the waiting
        self._asked.put((function, arguments))
        try:
            result, error = self._answers.get(timeout=seconds)
        except Empty:
            raise Silence from None
        self.silent = False
        if error is not None:
            raise error
        return result

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
