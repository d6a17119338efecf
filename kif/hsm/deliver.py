"""Card keys on their way to the card: derived, and wrapped under its Key-DEK by C_WrapKey."""

from collections.abc import Sequence

from kif.formats.putkey import KeyField
from kif.formats.scp03 import StaticKey
from kif.hsm.cmac import CmacMaster, kdf3
from kif.hsm.derive import derive_2tdea
from kif.hsm.form import kcv_of
from kif.hsm.key import Key, released
from kif.hsm.usage import Usage
from kif.hsm.wrap import wrap_cbc

_AES_BLOCK = 16


def wrapped_icc_keys(dek: Key, masters: Sequence[Key], diversification: bytes) -> bytes:
    """Return the ICC master keys of several issuer masters as one AES-CBC cryptogram, zero IV.

    ``diversification`` is 16 bytes (:func:`kif.formats.emv.option_a`).
    That is the content of DGI 8000 (EMV CPS): 16 bytes a key, each wrapped with the last
    ciphertext block of the one before as IV.
    """
    cryptogram, vector = b"", bytes(_AES_BLOCK)
    for master in masters:
        key = derive_2tdea(master, diversification, Usage.CARD_DELIVERY)
        with released(key):
            cryptogram += wrap_cbc(dek, key, vector)
        vector = cryptogram[-_AES_BLOCK:]
    return cryptogram


def domain_keys(dek: Key, master: CmacMaster, diversification: bytes) -> tuple[KeyField, ...]:
    """Return a card's own Key-ENC, Key-MAC and Key-DEK, for PUT KEY under the Key-DEK it has now.

    They come of an AES-128 or AES-256 master by KDF3, over the ten bytes that the card answers
    with. Each is wrapped by itself, zero IV (Amendment D, 7.2).
    """
    return tuple(_domain_key(dek, master, which, diversification) for which in StaticKey)


def _domain_key(dek: Key, master: CmacMaster, which: StaticKey, diversification: bytes) -> KeyField:
    leaving = kdf3(master, which, diversification, Usage.CARD_DELIVERY)
    with released(leaving):
        cryptogram = wrap_cbc(dek, leaving, bytes(_AES_BLOCK))
    twin = kdf3(master, which, diversification, Usage.PUBLIC_BLOCK)
    with released(twin):
        return KeyField(leaving.algorithm.size, cryptogram, kcv_of(twin).value)


def icc_check_values(masters: Sequence[Key], diversification: bytes) -> bytes:
    """Return the ``des-zero`` check values of the same keys, 3 bytes each (DGI 9000)."""
    values = b""
    for master in masters:
        key = derive_2tdea(master, diversification, Usage.PUBLIC_BLOCK)
        with released(key):
            values += kcv_of(key).value
    return values
