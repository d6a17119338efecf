"""Accepting another PKCS#11 library: after an update, the PIN's two holders seal it anew."""

from __future__ import annotations

from collections.abc import Mapping

from kif.ceremony.seal import Destination, put_in_place, seal_beside, unseal
from kif.formats.control import Control
from kif.formats.error import Refused
from kif.formats.secret import Secret
from kif.ledger.events.site import LibraryAccepted
from kif.ledger.genesis import USER_PIN
from kif.oracle.group import Step
from kif.oracle.home import Home
from kif.oracle.local import open_record

_NEW = "user-pin.new"


def accept_library(home: Home, holders: Mapping[str, Secret], digest: str) -> Destination:
    """Seal the user PIN anew for the library that ``hsm.yaml`` names, whose SHA-256 is ``digest``.

    1. The file is the one that the holders expect; 2. they open the seal; 3. new halves are written
    beside the old ones; 4. the acceptance is on the record; 5. the new halves take their place. A
    kill before 5 leaves the old seal, and this is done again. Raises ``Refused`` (SEAL).
    """
    to = Destination.of(home.token_place())
    if digest.lower() != to.library_digest:
        raise Refused(
            Control.SEAL,
            f"The SHA-256 of {to.library} is {to.library_digest}, not the one that you expect. "
            "Nothing was opened; compare it with the vendor's, or with the package's.",
        )
    pin = unseal(home.seal, USER_PIN, holders, None)
    by = tuple(holders)
    halves = tuple(seal_beside(home.seal, _NEW, USER_PIN, pin, holders, to))

    def work(step: Step) -> None:
        step.record(LibraryAccepted(by, to.library, to.library_digest, halves))

    with open_record(home, pin, by) as (_, record):
        record.write(work)
    put_in_place(home.seal, _NEW, USER_PIN)
    return to
