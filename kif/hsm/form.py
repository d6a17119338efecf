"""Forming a master key: from nothing, or from a wrapping made inside the token.

A master may only DERIVE, so nothing can be asked of it afterwards. What is public of it (its check
value, and for AES its ``L`` for CMAC) is computed at the ceremony, by a short-lived twin that may
only ENCRYPT, unwrapped from the same wrapping; then the twin is destroyed.
"""

from dataclasses import dataclass

from kif.formats.kcv import Kcv, KcvMethod
from kif.hsm.cmac import CmacMaster
from kif.hsm.key import (
    Algorithm,
    Key,
    encrypt_blocks,
    find,
    generate,
    released,
    unwrap_rfc3394,
    wrap_rfc3394,
)
from kif.hsm.token import Token
from kif.hsm.usage import Usage


@dataclass(frozen=True)
class Formed:
    """A master that now stands in the token, and its check value."""

    key: Key
    kcv: Kcv


def generate_master(token: Token, label: str, algorithm: Algorithm) -> Formed:
    """Generate a master key inside the token."""
    combiner = generate(token, Usage.COMPONENT_COMBINER, Algorithm.AES_256)
    seed = generate(token, Usage.COMPONENT_PIECE, algorithm)
    with released(combiner, seed):
        return form_master(token, label, algorithm, combiner, wrap_rfc3394(combiner, seed))


def check_value(token: Token, algorithm: Algorithm, combiner: Key, blob: bytes) -> Kcv:
    """Return the check value of a key that is still wrapped under the combiner."""
    twin = unwrap_rfc3394(token, combiner, Usage.PUBLIC_BLOCK, algorithm, blob)
    with released(twin):
        return kcv_of(twin)


def form_master(
    token: Token, label: str, algorithm: Algorithm, combiner: Key, blob: bytes
) -> Formed:
    """Make the token object from an RFC 3394 wrapping under the combiner, and keep its ``L``."""
    twin = unwrap_rfc3394(token, combiner, Usage.PUBLIC_BLOCK, algorithm, blob)
    with released(twin):
        kcv = kcv_of(twin)
        if algorithm is not Algorithm.TDES_2:
            token.keep_public(_l_label(label), encrypt_blocks(twin, bytes(16)))
    master = unwrap_rfc3394(token, combiner, Usage.MASTER_DERIVATION, algorithm, blob, label)
    return Formed(master, kcv)


def kcv_of(key: Key) -> Kcv:
    """Return a key's check value: ``des-zero`` for 2TDEA, ``gp-aes-01`` for AES."""
    tdes = key.algorithm is Algorithm.TDES_2
    method = KcvMethod.DES_ZERO if tdes else KcvMethod.GP_AES_01
    return Kcv.from_cryptogram(method, encrypt_blocks(key, method.block))


def find_master(token: Token, label: str, algorithm: Algorithm) -> Key:
    """Return a master of the token. Raises ``DeviceFailed`` (KEY_FOUND, KEY_USAGE)."""
    return find(token, Usage.MASTER_DERIVATION, algorithm, label)


def find_cmac_master(token: Token, label: str, algorithm: Algorithm) -> CmacMaster:
    """Return an AES master with its ``L``."""
    return CmacMaster(find_master(token, label, algorithm), token.public_value(_l_label(label)))


def _l_label(label: str) -> str:
    return f"{label} L"
