"""EMV derivation data and cryptogram input (EMV 4.3 Book 2, annex A1; Book 3, 9.2.3)."""

import hashlib

from kif.formats.cmac import xor
from kif.formats.control import Control
from kif.formats.error import BadInput

DES_BLOCK = 8
AES_BLOCK = 16
_LETTERS = str.maketrans("abcdef", "012345")


def option_a(pan: str, sequence_number: str) -> bytes:
    """Return ``Y || (Y xor FF..FF)`` for ICC master key derivation, option A: 16 bytes (A1.4.1).

    ``Y`` is the rightmost 16 digits of PAN and PAN sequence number (two digits), zero-padded at
    the left, as packed BCD.
    """
    _require_card(pan, sequence_number)
    return _with_complement(bytes.fromhex((pan + sequence_number)[-16:].zfill(16)))


def option_b(pan: str, sequence_number: str) -> bytes:
    """Return ``Y || (Y xor FF..FF)`` for option B: 16 bytes (A1.4.2).

    For a PAN of more than 16 digits ``Y`` is the first 16 decimal digits of SHA-1 over PAN and
    sequence number; when there are not so many, letters A to F count as 0 to 5 after them. A
    shorter PAN is taken as by option A.
    """
    _require_card(pan, sequence_number)
    if len(pan) <= 16:
        return option_a(pan, sequence_number)
    digits = pan + sequence_number
    packed = bytes.fromhex(digits.zfill(len(digits) + len(digits) % 2))
    digest = hashlib.sha1(packed, usedforsecurity=False).hexdigest()
    return _with_complement(bytes.fromhex(decimal_first(digest)[:16]))


def option_c(pan: str, sequence_number: str, key_size: int) -> bytes:
    """Return the data for an AES ICC master key, option C (A1.4.3): 16 bytes, or 32.

    ``Y`` is PAN and sequence number, zero-padded at the left to 32 digits. A key of 16 bytes takes
    ``Y``, a longer one ``Y || (Y xor FF..FF)``.
    """
    _require_card(pan, sequence_number)
    y = bytes.fromhex((pan + sequence_number).zfill(2 * AES_BLOCK))
    return _with_complement(y)[: AES_BLOCK if key_size == AES_BLOCK else None]


def decimal_first(hexadecimal: str) -> str:
    """Return the decimal digits, then the letters as 0 to 5: how EMV and Visa decimalise."""
    digits = [each for each in hexadecimal if each.isdigit()]
    letters = [each for each in hexadecimal.lower() if not each.isdigit()]
    return "".join(digits) + "".join(letters).translate(_LETTERS)


def _with_complement(y: bytes) -> bytes:
    if not any(y):
        # The encryption of a block of zeros is public: a key's check value, and its L for CMAC.
        raise BadInput(Control.BYTES, "A card is not numbered by zeros alone.")
    return y + xor(y, b"\xff" * len(y))


def _require_card(pan: str, sequence_number: str) -> None:
    if not (pan.isascii() and pan.isdigit() and 12 <= len(pan) <= 19):
        raise BadInput(Control.BYTES, f"A PAN has 12 to 19 digits; this one has {len(pan)} signs.")
    if not (sequence_number.isascii() and sequence_number.isdigit() and len(sequence_number) == 2):
        raise BadInput(Control.BYTES, "A PAN sequence number has two digits.")


def session_key_data(diversifier: bytes) -> bytes:
    """Return ``F1 || F2`` of the EMV common session key derivation (A1.3.1).

    ``diversifier`` has 8 bytes (2TDEA) or 16 (AES of 24 or 32 bytes): for an application cryptogram
    ATC and zero bytes. Its third byte is replaced by F0 and by 0F.
    """
    if len(diversifier) not in (DES_BLOCK, AES_BLOCK):
        raise BadInput(Control.BYTES, f"A diversifier has 8 bytes, not {len(diversifier)}.")
    return b"".join(diversifier[:2] + half + diversifier[3:] for half in (b"\xf0", b"\x0f"))


def aes_session_key_data(diversifier: bytes, key_size: int) -> bytes:
    """Return what an AES session key is derived over: the diversifier itself for a 16-byte key."""
    if len(diversifier) != AES_BLOCK:
        raise BadInput(
            Control.BYTES, f"A diversifier for AES has 16 bytes, not {len(diversifier)}."
        )
    return diversifier if key_size == AES_BLOCK else session_key_data(diversifier)


def of_atc(atc: bytes, block: int = DES_BLOCK) -> bytes:
    """Return the diversifier of an application cryptogram: the ATC (2 bytes) and zero bytes."""
    if len(atc) != 2:
        raise BadInput(Control.BYTES, f"An ATC has 2 bytes, not {len(atc)}.")
    return atc.ljust(block, b"\x00")


def visa_session_masks(atc: bytes) -> tuple[bytes, bytes]:
    """Return what a Visa secure messaging session key xors into its two halves (VIS, annex B).

    The ATC into the last two bytes of the left half, its complement into those of the right.
    """
    low = of_atc(atc)[:2]
    return bytes(6) + low, bytes(6) + xor(low, b"\xff\xff")


def mac_padded(data: bytes, block: int = DES_BLOCK) -> bytes:
    """Pad with 80 00… to whole blocks, at least one byte (ISO/IEC 9797-1 method 2)."""
    return data + b"\x80" + bytes(-(len(data) + 1) % block)


def zero_padded(data: bytes, block: int = DES_BLOCK) -> bytes:
    """Pad with 00… to whole blocks, at least one block (ISO/IEC 9797-1 method 1)."""
    return data + bytes(-len(data) % block) if data else bytes(block)


def arpc_block(arqc: bytes, response_code: bytes) -> bytes:
    """Return what ARPC method 1 encrypts: ARQC (8 bytes) xor ARC (2 bytes) and zeros (8.2.1)."""
    if len(arqc) != DES_BLOCK or len(response_code) != 2:
        raise BadInput(Control.BYTES, "ARPC method 1 takes an ARQC of 8 bytes and an ARC of 2.")
    return xor(arqc, response_code.ljust(DES_BLOCK, b"\x00"))


def arpc_data(arqc: bytes, status_update: bytes, proprietary: bytes = b"") -> bytes:
    """Return what ARPC method 2 MACs: ARQC, CSU (4 bytes), at most 8 proprietary bytes (8.2.2)."""
    if len(arqc) != DES_BLOCK or len(status_update) != 4 or len(proprietary) > DES_BLOCK:
        raise BadInput(
            Control.BYTES,
            "ARPC method 2 takes an ARQC of 8 bytes, a CSU of 4, and at most 8 proprietary bytes.",
        )
    return arqc + status_update + proprietary
