"""EMV derivation data and cryptogram input (EMV 4.3 Book 2, annex A1; Book 3, 9.2.3)."""

from kif.formats.control import Control
from kif.formats.error import BadInput

DES_BLOCK = 8


def option_a(pan: str, sequence_number: str) -> bytes:
    """Return ``Y || (Y xor FF..FF)`` for ICC master key derivation, option A: 16 bytes (A1.4.1).

    ``Y`` is the rightmost 16 digits of PAN and PAN sequence number (two digits), zero-padded at
    the left, as packed BCD.
    """
    if not (pan.isascii() and pan.isdigit() and 12 <= len(pan) <= 19):
        raise BadInput(Control.BYTES, f"A PAN has 12 to 19 digits; this one has {len(pan)} signs.")
    if not (sequence_number.isascii() and sequence_number.isdigit() and len(sequence_number) == 2):
        raise BadInput(Control.BYTES, "A PAN sequence number has two digits.")
    y = bytes.fromhex((pan + sequence_number)[-16:].zfill(16))
    return y + bytes(byte ^ 0xFF for byte in y)


def session_key_data(diversifier: bytes) -> bytes:
    """Return ``F1 || F2`` of the EMV common session key derivation, 16 bytes (A1.3.1).

    ``diversifier`` is 8 bytes, for an application cryptogram ATC and six zero bytes; its third
    byte is replaced by F0 and by 0F.
    """
    if len(diversifier) != DES_BLOCK:
        raise BadInput(Control.BYTES, f"A diversifier has 8 bytes, not {len(diversifier)}.")
    return b"".join(diversifier[:2] + half + diversifier[3:] for half in (b"\xf0", b"\x0f"))


def mac_padded(data: bytes) -> bytes:
    """Pad with 80 00… to whole DES blocks, at least one byte (ISO/IEC 9797-1 method 2)."""
    return data + b"\x80" + bytes(-(len(data) + 1) % DES_BLOCK)
