"""Masters out of a token and into another, under a quorum's key; in neither are they clear outside.

Out: the officer's combiner wraps the master (RFC 3394), the token unwraps it as a key that can do
nothing but leave, and that is wrapped under the quorum's key (AES-KWP). In: the same backwards, and
the master's check values are computed anew, to be compared with those on the record.
"""

from __future__ import annotations

from kif.formats.control import Control
from kif.formats.error import Refused
from kif.hsm.form import Formed, check_values, form_master
from kif.hsm.key import Algorithm, Key, generate, released
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from kif.hsm.wrap import unwrap_kwp, unwrap_rfc3394, wrap_kwp, wrap_rfc3394


def take_out(token: Token, master: Key, kek: Key) -> bytes:
    """Return a master wrapped under a quorum's key.

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
    leaving = unwrap_rfc3394(combiner, Usage.COMPONENT_PIECE, master.algorithm, blob)
    with released(leaving):
        return wrap_kwp(kek, leaving)


def put_back(token: Token, label: str, algorithm: Algorithm, kek: Key, blob: bytes) -> Formed:
    """Make a master of what ``take_out`` gave; return it with its check values."""
    coming = unwrap_kwp(kek, Usage.COMPONENT_PIECE, algorithm, blob)
    with released(coming):
        combiner = generate(token, Usage.COMPONENT_COMBINER, Algorithm.AES_256)
        with released(combiner):
            wrapped = wrap_rfc3394(combiner, coming)
            values = check_values(token, algorithm, combiner, wrapped)
            return Formed(form_master(token, label, algorithm, combiner, wrapped), values)
