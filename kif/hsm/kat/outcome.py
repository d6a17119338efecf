"""What a trial gives, and how it is compared with what was published."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kif.hsm.kat.stand import Stand
from kif.hsm.kat.vector import Vector
from kif.hsm.key import Key


@dataclass(frozen=True)
class Leading:
    """A value of which the published one may have the first digits only, as a check value has."""

    value: str


Output = str | Leading | Key | tuple["Output", ...]
"""Text or hex; a key that may ENCRYPT, compared inside the token; or several that all agree."""
Outputs = Mapping[str, Output]
Trial = Callable[[Stand, Vector], Outputs]


def differs(stand: Stand, output: Output, published: str) -> str:
    """Return what is wrong with an output, or nothing."""
    if isinstance(output, tuple):
        return next((wrong for each in output if (wrong := differs(stand, each, published))), "")
    if isinstance(output, Key):
        return _key_differs(stand, output, bytes.fromhex(published))
    if isinstance(output, Leading):
        output = output.value[: len(published)]
    return "" if output.upper() == published.upper() else f"{output} instead of {published}"


def _key_differs(stand: Stand, key: Key, published: bytes) -> str:
    found = stand.fingerprint(key)
    if found in stand.masters:
        return "the derived key is its master"
    if len(published) != key.algorithm.size:
        return f"a key of {key.algorithm.size} bytes instead of {len(published)}"
    wanted = stand.expected(published, key.algorithm.cipher)
    return "" if found == wanted else "the key in the token is another one than published"


def prints(stand: Stand, outputs: Outputs) -> list[bytes]:
    """Return the fingerprints of the keys among the outputs."""
    found: list[bytes] = []
    for output in outputs.values():
        parts = output if isinstance(output, tuple) else (output,)
        found += [stand.fingerprint(each) for each in parts if isinstance(each, Key)]
    return found
