"""A program at a real terminal, and a person who reads and types."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time


class Terminal:
    """A program on a pseudo-terminal."""

    def __init__(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment
        )
        os.close(slave)
        self.seen = ""
        self.place = 0

    def expect(self, words: str) -> None:
        """Read until the words appear after what was seen before."""
        end = time.monotonic() + 30
        while words not in self.seen[self.place :]:
            assert time.monotonic() < end, self.seen[self.place :]
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self.master, 4096).decode(errors="replace")
                except OSError:
                    break
        assert words in self.seen[self.place :], self.seen[self.place :]
        self.place = self.seen.index(words, self.place) + len(words)

    def answer(self, words: str, text: str) -> None:
        """Type a line when the words appear."""
        self.expect(words)
        self.type(text)

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self.master, text.encode() + b"\n")
