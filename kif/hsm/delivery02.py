"""Card keys and PINs under the session DEK of SCP02: 3DES-ECB (GPC 2.3.1, E.4.7; EMV CPS).

A plain token wraps no key under a 3DES key. What is delivered is clear on the host for a moment
then, by a name that the product's profile permits (``scp02-on-host``); masters and the channel's
keys never are.
"""

from __future__ import annotations

from collections.abc import Sequence

from kif.formats import pinblock
from kif.formats.putkey import KeyField
from kif.formats.scp03 import StaticKey
from kif.formats.script import Clear
from kif.hsm.clear import clear_value
from kif.hsm.crypt import encrypt_blocks
from kif.hsm.derive import derive_2tdea
from kif.hsm.form import kcv_of
from kif.hsm.key import Key, released
from kif.hsm.pinkeeping import KeptPin, in_clear
from kif.hsm.scp02 import Diversification, static_key
from kif.hsm.token import Token
from kif.hsm.usage import Usage


def icc_keys(token: Token, dek: Key, masters: Sequence[Key], diversification: bytes) -> bytes:
    """Return the ICC master keys of several issuer masters, one after another (DGI 8000).

    ``diversification`` is 16 bytes (:func:`kif.formats.emv.option_a`). Raises ``Refused``
    (KEY_BOUNDARY).
    """
    cryptogram = b""
    for master in masters:
        leaving = derive_2tdea(master, diversification, Usage.CARD_DELIVERY)
        with released(leaving):
            cryptogram += _under(token, dek, leaving)
    return cryptogram


def domain_keys(
    token: Token, dek: Key, master: Key, how: Diversification, diversification: bytes
) -> tuple[KeyField, ...]:
    """Return a card's own three static keys for PUT KEY. Raises ``Refused`` (KEY_BOUNDARY)."""
    fields = []
    for which in StaticKey:
        leaving = static_key(master, how, which, diversification, Usage.CARD_DELIVERY)
        with released(leaving):
            cryptogram = _under(token, dek, leaving)
        twin = static_key(master, how, which, diversification, Usage.PUBLIC_BLOCK)
        with released(twin):
            fields.append(KeyField(leaving.algorithm.size, cryptogram, kcv_of(twin).value))
    return tuple(fields)


def pin_block(token: Token, dek: Key, storage: Key, kept: KeptPin) -> bytes:
    """Return the content of DGI 8010: a PIN block of format 2. Raises ``Refused``."""
    pin = in_clear(token, storage, kept, Clear.SCP02)
    return encrypt_blocks(dek, pinblock.format_2(pin).reveal())


def _under(token: Token, dek: Key, leaving: Key) -> bytes:
    return encrypt_blocks(dek, clear_value(token, leaving, Clear.SCP02).reveal())
