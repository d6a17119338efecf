"""Accepting another PKCS#11 library: after an update, holders of the PIN seal it anew."""

from __future__ import annotations

from collections.abc import Mapping

from kif.ceremony.destination import Destination
from kif.ceremony.seal import put_in_place, seal_anew, unseal
from kif.formats.control import Control
from kif.formats.error import Refused
from kif.formats.secret import Secret
from kif.ledger.events.site import LibraryAccepted
from kif.ledger.genesis import USER_PIN
from kif.oracle.group import Step
from kif.oracle.home import Home
from kif.oracle.local import open_record


def accept_library(home: Home, holders: Mapping[str, Secret], digest: str) -> Destination:
    """Seal the user PIN anew for the library that ``hsm.yaml`` names, whose SHA-256 is ``digest``.

    1. The file is the one that the holders expect; 2. they open the seal; 3. a new one is written
    beside the old one; 4. the acceptance is on the record; 5. the new one takes its place. A kill
    before 5 leaves the old seal, and this is done again. Raises ``Refused`` (SEAL).
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
    quorum = seal_anew(home.seal, USER_PIN, pin, to)

    def work(step: Step) -> None:
        step.record(LibraryAccepted(by, to.library, to.library_digest, quorum))

    with open_record(home, pin, by) as (_, record):
        record.write(work)
    put_in_place(home.seal, USER_PIN)
    return to
