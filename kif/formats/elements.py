"""Data elements of payment cards by tag: name, and how many bytes (EMV Book 3, annex A)."""

from __future__ import annotations

from enum import IntFlag
from typing import NamedTuple

PAYMENT_SYSTEM_ENVIRONMENT = b"1PAY.SYS.DDF01"
"""The name of a contact card's directory (PSE; EMV Book 1, 12.2.2)."""
PROXIMITY_ENVIRONMENT = b"2PAY.SYS.DDF01"
"""That of a contactless one (PPSE)."""


RESPONSE_CODE, ISSUER_AUTHENTICATION = 0x8A, 0x91
"""What the issuer answers, of which no cryptogram is made."""


class Aip(IntFlag):
    """The first byte of the application interchange profile (Book 3, annex C1)."""

    COMBINED = 0x01
    ISSUER_AUTHENTICATION = 0x04
    """By EXTERNAL AUTHENTICATE."""
    CARDHOLDER_VERIFICATION = 0x10
    DYNAMIC = 0x20
    STATIC = 0x40
    RESERVED = 0x80


class Element(NamedTuple):
    """A data element: its name, and the fewest and most bytes of its value."""

    name: str
    least: int
    most: int


def _fixed(name: str, size: int) -> Element:
    return Element(name, size, size)


ELEMENTS: dict[int, Element] = {
    0x42: _fixed("Issuer Identification Number", 3),
    0x4F: Element("Application Identifier (ADF Name)", 5, 16),
    0x50: Element("Application Label", 1, 16),
    0x56: Element("Track 1 Data", 1, 76),
    0x57: Element("Track 2 Equivalent Data", 1, 19),
    0x5A: Element("Application Primary Account Number (PAN)", 6, 10),
    0x5F20: Element("Cardholder Name", 2, 26),
    0x5F24: _fixed("Application Expiration Date", 3),
    0x5F25: _fixed("Application Effective Date", 3),
    0x5F28: _fixed("Issuer Country Code", 2),
    0x5F2A: _fixed("Transaction Currency Code", 2),
    0x5F2D: Element("Language Preference", 2, 8),
    0x5F30: _fixed("Service Code", 2),
    0x5F34: _fixed("Application PAN Sequence Number", 1),
    0x82: _fixed("Application Interchange Profile", 2),
    0x84: Element("Dedicated File (DF) Name", 5, 16),
    0x87: _fixed("Application Priority Indicator", 1),
    0x88: _fixed("Short File Identifier (SFI)", 1),
    0x8A: _fixed("Authorisation Response Code", 2),
    0x8C: Element("Card Risk Management Data Object List 1 (CDOL1)", 0, 252),
    0x8D: Element("Card Risk Management Data Object List 2 (CDOL2)", 0, 252),
    0x8E: Element("Cardholder Verification Method (CVM) List", 10, 252),
    0x8F: _fixed("Certification Authority Public Key Index", 1),
    0x90: Element("Issuer Public Key Certificate", 64, 248),
    0x91: Element("Issuer Authentication Data", 8, 16),
    0x92: Element("Issuer Public Key Remainder", 1, 248),
    0x93: Element("Signed Static Application Data", 64, 248),
    0x94: Element("Application File Locator (AFL)", 4, 252),
    0x95: _fixed("Terminal Verification Results", 5),
    0x9A: _fixed("Transaction Date", 3),
    0x9B: _fixed("Transaction Status Information", 2),
    0x9C: _fixed("Transaction Type", 1),
    0x9F02: _fixed("Amount, Authorised (Numeric)", 6),
    0x9F03: _fixed("Amount, Other (Numeric)", 6),
    0x9F07: _fixed("Application Usage Control", 2),
    0x9F08: _fixed("Application Version Number (card)", 2),
    0x9F0D: _fixed("Issuer Action Code - Default", 5),
    0x9F0E: _fixed("Issuer Action Code - Denial", 5),
    0x9F0F: _fixed("Issuer Action Code - Online", 5),
    0x9F10: Element("Issuer Application Data", 1, 32),
    0x9F11: _fixed("Issuer Code Table Index", 1),
    0x9F12: Element("Application Preferred Name", 1, 16),
    0x9F13: _fixed("Last Online ATC Register", 2),
    0x9F14: _fixed("Lower Consecutive Offline Limit", 1),
    0x9F17: _fixed("PIN Try Counter", 1),
    0x9F1A: _fixed("Terminal Country Code", 2),
    0x9F1F: Element("Track 1 Discretionary Data", 1, 252),
    0x9F21: _fixed("Transaction Time", 3),
    0x9F23: _fixed("Upper Consecutive Offline Limit", 1),
    0x9F26: _fixed("Application Cryptogram", 8),
    0x9F27: _fixed("Cryptogram Information Data", 1),
    0x9F32: Element("Issuer Public Key Exponent", 1, 3),
    0x9F33: _fixed("Terminal Capabilities", 3),
    0x9F34: _fixed("CVM Results", 3),
    0x9F35: _fixed("Terminal Type", 1),
    0x9F36: _fixed("Application Transaction Counter (ATC)", 2),
    0x9F37: _fixed("Unpredictable Number", 4),
    0x9F38: Element("Processing Options Data Object List (PDOL)", 2, 252),
    0x9F42: _fixed("Application Currency Code", 2),
    0x9F44: _fixed("Application Currency Exponent", 1),
    0x9F45: _fixed("Data Authentication Code", 2),
    0x9F46: Element("ICC Public Key Certificate", 64, 248),
    0x9F47: Element("ICC Public Key Exponent", 1, 3),
    0x9F48: Element("ICC Public Key Remainder", 1, 248),
    0x9F49: Element("Dynamic Data Authentication Data Object List (DDOL)", 0, 252),
    0x9F4A: Element("Static Data Authentication Tag List", 0, 252),
    0x9F4C: Element("ICC Dynamic Number", 2, 8),
    0x9F4D: _fixed("Log Entry", 2),
    0x9F4F: Element("Log Format", 1, 252),
    0x9F66: _fixed("Terminal Transaction Qualifiers", 4),
    0x9F6C: _fixed("Card Transaction Qualifiers", 2),
    0x9F6E: Element("Form Factor Indicator", 4, 32),
}


def name_of(tag: int) -> str:
    """Return the name of a data element, or its tag where it has none here."""
    return ELEMENTS[tag].name if tag in ELEMENTS else f"Tag {tag:X}"
