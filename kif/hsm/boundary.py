"""Where keys were clear, measured: code that handles a clear key on the host runs in here.

A reason has to be permitted by name around it (by a plan, or by a key's policy), or nothing is
done. Whatever crosses is remembered until the work that it was for is on the record, whose entries
take their boundary from it::

    with permitting("tr31-on-softhsm"):
        with host_boundary("tr31-on-softhsm"):
            ...  # a key is clear here
        record.write(work)  # its entries say: host
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from kif.formats.control import Control
from kif.formats.error import Refused

_permitted: ContextVar[frozenset[str]] = ContextVar("permitted", default=frozenset())
_crossed: ContextVar[frozenset[str]] = ContextVar("crossed", default=frozenset())


@contextmanager
def permitting(*reasons: str) -> Iterator[None]:
    """Permit keys to be clear on the host for these reasons, within the block."""
    token = _permitted.set(_permitted.get() | frozenset(reasons))
    try:
        yield
    finally:
        _permitted.reset(token)


@contextmanager
def host_boundary(reason: str) -> Iterator[None]:
    """Run code that handles a clear key. Raises ``Refused`` (KEY_BOUNDARY) unless permitted."""
    if reason not in _permitted.get():
        raise Refused(
            Control.KEY_BOUNDARY,
            f"A key would be clear on the host ({reason}), which nothing permits. Nothing was "
            "done: use an HSM that does it inside ('kif hsm doctor'), or have a plan permit it.",
        )
    _crossed.set(_crossed.get() | {reason})
    yield


def crossings() -> frozenset[str]:
    """Return why keys were clear on the host since this was asked last, and begin anew."""
    found = _crossed.get()
    if found:
        _crossed.set(frozenset())
    return found
