"""Card and PIN verification values, PINs and PIN blocks, with keys in the token."""

from kif.formats import emv, pinblock, verification
from kif.formats.cmac import xor
from kif.formats.secret import Secret
from kif.hsm.crypt import decrypt_blocks, encrypt_blocks
from kif.hsm.key import Key
from kif.hsm.mac import MacKey


def cvv(key: MacKey, pan: str, expiry: str, service_code: str) -> str:
    """Return a CVV, or with service code 999 an iCVV, with 000 a CVV2: three digits."""
    first, second = verification.cvv_blocks(pan, expiry, service_code)
    return verification.cvv_of(key.block(xor(key.single(first), second)))


def cvc3(key: MacKey, track: bytes, unpredictable: bytes, atc: bytes) -> str:
    """Return the last three digits of a dynamic CVC3 over static track data (Mastercard)."""
    iv = key.mac(emv.mac_padded(track))[-2:]
    block = verification.cvc3_block(iv, unpredictable, atc)
    return verification.cvc3_of(key.block(block))


def pvv(key: Key, pan: str, key_index: str, pin: Secret) -> str:
    """Return the PVV of a PIN: four digits."""
    digits = pin.reveal().decode("ascii", errors="replace")
    block = verification.pvv_block(pan, key_index, digits)
    return verification.pvv_of(encrypt_blocks(key, block))


def ibm3624_pin(key: Key, validation: bytes, table: str, offset: str) -> Secret:
    """Return the PIN that IBM 3624 gives for validation data (8 bytes), a table and an offset."""
    pin = verification.ibm3624_pin(encrypt_blocks(key, validation), table, offset)
    return Secret(pin.encode())


def encrypted_block(key: Key, block: Secret) -> bytes:
    """Return a PIN block of format 0, 1, 2 or 3 under a PIN encryption key: 8 bytes."""
    return encrypt_blocks(key, block.reveal())


def encrypted_format_4(key: Key, pin: Secret, pan: str, nonce: bytes) -> bytes:
    """Return a PIN block of format 4 under an AES PIN encryption key: 16 bytes (9.4.2)."""
    inner = encrypt_blocks(key, pinblock.format_4(pin, nonce).reveal())
    return encrypt_blocks(key, xor(inner, pinblock.format_4_pan(pan)))


def opened_format_4(key: Key, block: bytes, pan: str) -> Secret:
    """Return the PIN of a PIN block of format 4, under a key that may DECRYPT (9.4.2)."""
    inner = xor(decrypt_blocks(key, block), pinblock.format_4_pan(pan))
    return pinblock.pin_of_format_4(Secret(decrypt_blocks(key, inner)))
