"""Masters out of a token and into another; in neither are they clear outside.

Out: the officer's combiner wraps the master (RFC 3394), the token unwraps it as a key that can do
nothing but leave, and that is wrapped under another key: a quorum's, a zone's, a recipient's. In:
the same backwards, and the master's check values are computed anew, to be compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from kif.formats.control import Control
from kif.formats.error import Refused
from kif.hsm.form import Formed, master_of
from kif.hsm.key import Algorithm, Key, released
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from kif.hsm.wrap import unwrap_kwp, unwrap_rfc3394, wrap_kwp, wrap_rfc3394


@contextmanager
def leaving(token: Token, master: Key) -> Iterator[Key]:
    """Give a master as a key of the session that can do nothing but be wrapped out.

    Raises ``Refused`` (SEAL) when the security officer did not open the session.
    """
    combiner = token.trusted
    if combiner is None:
        raise Refused(
            Control.SEAL,
            "A master leaves the token only when custodians have opened the security officer's "
            "PIN. Nothing was wrapped.",
        )
    blob = wrap_rfc3394(combiner, master)
    key = unwrap_rfc3394(combiner, Usage.COMPONENT_PIECE, master.algorithm, blob)
    with released(key):
        yield key


def take_out(token: Token, master: Key, kek: Key) -> bytes:
    """Return an object of a master wrapped under a quorum's key. Raises ``Refused`` (SEAL)."""
    with leaving(token, master) as key:
        return wrap_kwp(kek, key)


def put_back(
    token: Token,
    label: str,
    algorithm: Algorithm,
    kek: Key,
    blobs: Sequence[bytes],
    usage: Usage = Usage.MASTER_DERIVATION,
) -> Formed:
    """Make a master of what ``take_out`` gave, of each of its objects; return its check values."""
    with ExitStack() as stack:
        coming = [unwrap_kwp(kek, Usage.COMPONENT_PIECE, algorithm, blob) for blob in blobs]
        stack.enter_context(released(*coming))
        whole, *left = coming
        drawn = stack.enter_context(master_of(token, whole, usage, *left))
        return Formed(drawn.form(label), drawn.values)
