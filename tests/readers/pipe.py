"""A host that is a program, which speaks to a card over its standard input and output."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field

from kif.simulator.card import Card


@dataclass
class Spoken:
    """What a host did: its exit code, the lines that it told, the commands that it sent."""

    code: int = 0
    told: list[str] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)


def speak(host: Sequence[str], card: Card) -> Spoken:
    """Have a host speak to a card, a command and an answer (hex) on each line, to its end."""
    spoken, pipe = Spoken(), subprocess.PIPE
    with subprocess.Popen(host, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            spoken.sent.append(bytes.fromhex(line))
            process.stdin.write(card.apdu(spoken.sent[-1]).hex() + "\n")
            process.stdin.flush()
        spoken.told = process.stderr.read().splitlines()
    spoken.code = process.returncode
    return spoken
