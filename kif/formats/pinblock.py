"""PIN blocks of ISO 9564-1, formats 0 to 4, and the block of VIS: eight bytes, or sixteen.

Nothing is encrypted here. Every block holds a PIN, so it is a :class:`Secret`, and so is the PIN.
"""

from kif.formats.cmac import xor
from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.secret import Secret

_SHORTEST, _LONGEST = 4, 12
_NIBBLES = "0123456789ABCDEF"


def format_0(pin: Secret, pan: str) -> Secret:
    """Return ``0 || length || PIN || F…`` xor twelve digits of the PAN (9.3.1)."""
    return _over_pan("0" + _digits(pin).ljust(15, "F"), pan)


def format_1(pin: Secret, nonce: bytes) -> Secret:
    """Return ``1 || length || PIN || nibbles`` for when there is no PAN; nonce: 8 bytes (9.3.2)."""
    digits = _digits(pin)
    filler = _filler(nonce, 15 - len(digits))
    return Secret(bytes.fromhex("1" + digits + filler))


def format_2(pin: Secret) -> Secret:
    """Return ``2 || length || PIN || F…``, which goes to a chip (9.3.3)."""
    return Secret(bytes.fromhex("2" + _digits(pin).ljust(15, "F")))


def format_3(pin: Secret, pan: str, nonce: bytes) -> Secret:
    """Return format 0 with a random fill of A to F; nonce: 8 bytes (9.3.4)."""
    digits = _digits(pin)
    filler = "".join(_NIBBLES[10 + int(each, 16) % 6] for each in nonce.hex())
    return _over_pan("3" + digits + filler[: 15 - len(digits)], pan)


def format_4(pin: Secret, nonce: bytes) -> Secret:
    """Return the plain text PIN field: 16 bytes, the last 8 of them random (9.4.2.2)."""
    if len(nonce) != 8:
        raise BadInput(Control.BYTES, f"Format 4 takes 8 random bytes, not {len(nonce)}.")
    return Secret(bytes.fromhex("4" + _digits(pin).ljust(15, "A")) + nonce)


def format_4_pan(pan: str) -> bytes:
    """Return the plain text PAN field of format 4: 16 bytes (9.4.2.3)."""
    _require_pan(pan)
    return bytes.fromhex((str(max(len(pan) - 12, 0)) + pan.zfill(12)).ljust(32, "0"))


def between_4_and_2(length: int, nonce: bytes) -> bytes:
    """Return what is xored into the PIN field of format 4 to have a PIN block of format 2, padded.

    ``length`` is that of the PIN, ``nonce`` the field's own; the block is followed by 80 and zeros.
    """
    digits = 14 - length
    control, fill = f"{0x4 ^ 0x2:X}0", f"{0xA ^ 0xF:X}" * digits
    return bytes.fromhex(control + "0" * length + fill) + xor(nonce, b"\x80" + bytes(7))


def pin_of_format_4(field: Secret) -> Secret:
    """Return the PIN of a plain text PIN field of format 4. Raises ``BadInput``."""
    text = field.reveal().hex().upper()
    length = int(text[1], 16)
    digits, fill = text[2 : 2 + length], text[2 + length : 16]
    right = text[0] == "4" and _SHORTEST <= length <= _LONGEST and digits.isdigit()
    if not right or set(fill) - {"A"}:
        raise BadInput(Control.BYTES, "This is not a PIN block for this PAN. It was not used.")
    return Secret(digits.encode())


def vis(pin: Secret, ac_key_part: Secret, current: Secret | None = None) -> Secret:
    """Return the PIN block of VIS: ``length || PIN || F…`` xor four key bytes in its last half.

    ``ac_key_part`` has bytes 5 to 8 of the card's key for application cryptograms; with the
    ``current`` PIN the block is xored with it (VIS 1.6, annex D).
    """
    block = bytes.fromhex("0" + _digits(pin).ljust(15, "F"))
    masked = xor(block, bytes(4) + ac_key_part.reveal())
    if current is not None:
        masked = xor(masked, bytes.fromhex(_digits(current)[1:].ljust(16, "0")))
    return Secret(masked)


def pin_of(block: Secret, pan: str = "") -> Secret:
    """Return the PIN of a block of format 0 to 3. Raises ``BadInput``, without the PIN."""
    value = block.reveal()
    if len(value) == 8 and value[0] >> 4 in (0, 3):
        value = xor(value, _pan_field(pan))
    text = value.hex().upper()
    length = int(text[1], 16) if len(value) == 8 else 0
    digits = text[2 : 2 + length]
    fill = {"0": "F", "1": _NIBBLES, "2": "F", "3": _NIBBLES[10:]}.get(text[:1], "")
    right = _SHORTEST <= length <= _LONGEST and digits.isdigit()
    if not right or set(text[2 + length :]) - set(fill):
        raise BadInput(Control.BYTES, "This is not a PIN block for this PAN. It was not used.")
    return Secret(digits.encode())


def _over_pan(field: str, pan: str) -> Secret:
    return Secret(xor(bytes.fromhex(field), _pan_field(pan)))


def _pan_field(pan: str) -> bytes:
    """Return the twelve rightmost digits of the PAN without its check digit, as eight bytes."""
    _require_pan(pan)
    return bytes.fromhex(pan[-13:-1].zfill(16))


def _digits(pin: Secret) -> str:
    """Return length and PIN, the length as one hexadecimal digit."""
    digits = pin.reveal().decode("ascii", errors="replace")
    if not (digits.isascii() and digits.isdigit() and _SHORTEST <= len(digits) <= _LONGEST):
        raise BadInput(Control.BYTES, "A PIN has 4 to 12 digits. This one was not used.")
    return f"{len(digits):X}{digits}"


def _filler(nonce: bytes, nibbles: int) -> str:
    if len(nonce) != 8:
        raise BadInput(Control.BYTES, f"A PIN block takes a nonce of 8 bytes, not {len(nonce)}.")
    return nonce.hex().upper()[:nibbles]


def _require_pan(pan: str) -> None:
    if not (pan.isascii() and pan.isdigit() and 12 <= len(pan) <= 19):
        raise BadInput(Control.BYTES, f"A PAN has 12 to 19 digits; this one has {len(pan)} signs.")
