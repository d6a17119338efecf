"""One-call derivations: C_DeriveKey encrypts public data, and the cryptogram *is* the new key.

EMV option A and session keys: CKM_DES3_ECB_ENCRYPT_DATA. AES: CKM_AES_ECB_ENCRYPT_DATA (PKCS#11
v2.40, 2.15). The value of the derived key never leaves the token.
"""

import ctypes
import struct

from pkcs11 import Attribute, Mechanism
from pkcs11.constants import DEFAULT

from kif.hsm.key import Algorithm, Key, confirm, template
from kif.hsm.library import calling
from kif.hsm.usage import RULES, Usage


def derive_2tdea(master: Key, data: bytes, usage: Usage) -> Key:
    """Derive a 2TDEA key whose value is 3DES-ECB over 16 bytes, with odd parity set.

    Over :func:`kif.formats.emv.option_a` it is a card's ICC master key (EMV Book 2, A1.4.1).
    """
    buffer = ctypes.create_string_buffer(data, len(data))
    string_data = struct.pack("@PL", ctypes.addressof(buffer), len(data))
    attributes = template(usage) | {Attribute.VALUE_LEN: DEFAULT}
    with calling(f"deriving a {usage.value} key"):
        native = master.native.derive_key(
            Algorithm.TDES_2.type,
            Algorithm.TDES_2.size * 8,
            mechanism=Mechanism.DES3_ECB_ENCRYPT_DATA,
            mechanism_param=string_data,
            template=attributes,
        )
    confirm(native, RULES[usage], usage.value)
    return Key(usage, Algorithm.TDES_2, native)


def derive_aes(master: Key, blocks: bytes, algorithm: Algorithm, usage: Usage) -> Key:
    """Derive an AES key whose value is AES-ECB over whole blocks, cut to the key's length."""
    with calling(f"deriving a {usage.value} key"):
        native = master.native.derive_key(
            algorithm.type,
            algorithm.size * 8,
            mechanism=Mechanism.AES_ECB_ENCRYPT_DATA,
            mechanism_param=blocks,
            template=template(usage),
        )
    confirm(native, RULES[usage], usage.value)
    return Key(usage, algorithm, native)
