"""Where a PIN goes: it is sealed for one token and one library, and given to no other."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kif.formats.control import Control
from kif.formats.error import Refused
from kif.hsm.library import library_digest
from kif.hsm.token import TokenPlace


@dataclass(frozen=True)
class Destination:
    """Where a PIN goes: nowhere else does it open."""

    label: str
    library: str
    library_digest: str
    """SHA-256 of the library's file, hex."""
    own_folder: bool
    """Whether the token is SoftHSM's, in the site's own folder."""

    @classmethod
    def of(cls, place: TokenPlace) -> Destination:
        """Return the destination that a token's place is now. Raises ``DeviceFailed``."""
        own = place.softhsm_directory is not None
        return cls(place.label, str(place.library), library_digest(place.library), own)


def require_same(sealed_for: Destination, to: Destination) -> None:
    """Require that the PIN goes where it was sealed for. Raises ``Refused`` (SEAL)."""
    if sealed_for == to:
        return
    if replace(sealed_for, library_digest=to.library_digest) == to:
        raise Refused(
            Control.SEAL,
            f"The file of the PKCS#11 library {to.library} is another one than the PIN was sealed "
            "for; an update does that. The PIN was not opened. If the update is right, its "
            "holders accept it: 'kif hsm accept-library'.",
        )
    raise Refused(
        Control.SEAL,
        f"hsm.yaml names {_named(to)}, but the PIN was sealed for {_named(sealed_for)}. The PIN "
        "was not opened. Put hsm.yaml right.",
    )


def _named(to: Destination) -> str:
    where = "in the site" if to.own_folder else "outside of the site"
    return f"the token '{to.label}' {where} and the library {to.library}"
