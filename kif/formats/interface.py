"""The two interfaces of a card: contacts (EMV Books 1 to 4), and the air (EMV Contactless Book B).

One application answers on both, with its own data on each: EMV CPS has a grouping for either.
"""

from __future__ import annotations

from dataclasses import dataclass

from kif.formats.elements import PAYMENT_SYSTEM_ENVIRONMENT, PROXIMITY_ENVIRONMENT


@dataclass(frozen=True)
class Interface:
    """By which groupings an application is personalised for an interface."""

    directory: bytes
    """The name of the directory of applications that is selected over it."""
    selection: str
    """DGI of what SELECT answers: the content of the FCI's template A5."""
    options: str
    """DGI of what GET PROCESSING OPTIONS answers: AIP and AFL."""


CONTACTS = Interface(PAYMENT_SYSTEM_ENVIRONMENT, "9102", "9104")
CONTACTLESS = Interface(PROXIMITY_ENVIRONMENT, "9103", "9105")
