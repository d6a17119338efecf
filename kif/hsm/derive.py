"""One-call derivations: C_DeriveKey encrypts public data, and the cryptogram *is* the new key.

EMV option A and session keys: CKM_DES3_ECB_ENCRYPT_DATA. AES: CKM_AES_ECB_ENCRYPT_DATA. SCP02:
CKM_DES3_CBC_ENCRYPT_DATA (PKCS#11 v2.40, 2.15). The derived key's value never leaves the token.
"""

from functools import cache

from pkcs11 import Attribute, Mechanism, ObjectClass

from kif.hsm.calls import calls_of
from kif.hsm.key import Algorithm, Cipher, Key, confirm, template
from kif.hsm.library import calling
from kif.hsm.native import Template
from kif.hsm.usage import RULES, Usage

_BY_ECB = {
    Cipher.AES: Mechanism.AES_ECB_ENCRYPT_DATA,
    Cipher.TDEA: Mechanism.DES3_ECB_ENCRYPT_DATA,
}


def derive_2tdea(master: Key, data: bytes, usage: Usage) -> Key:
    """Derive a 2TDEA key whose value is 3DES-ECB over 16 bytes, with odd parity set.

    Over :func:`kif.formats.emv.option_a` it is a card's ICC master key (EMV Book 2, A1.4.1).
    """
    return _derived(master, Mechanism.DES3_ECB_ENCRYPT_DATA, data, Algorithm.TDES_2, usage)


def derive(master: Key, blocks: bytes, algorithm: Algorithm, usage: Usage) -> Key:
    """Derive a key whose value is ECB of the master over whole blocks, cut to the key's length."""
    return _derived(master, _BY_ECB[master.algorithm.cipher], blocks, algorithm, usage)


def derive_by_cbc(master: Key, blocks: bytes, usage: Usage) -> Key:
    """Derive a 2TDEA key whose value is 3DES-CBC over 16 bytes, zero IV (SCP02: GPC 2.3, E.4.1)."""
    return _derived(master, Mechanism.DES3_CBC_ENCRYPT_DATA, blocks, Algorithm.TDES_2, usage)


def _derived(
    master: Key, mechanism: Mechanism, data: bytes, algorithm: Algorithm, usage: Usage
) -> Key:
    with calling(f"deriving a {usage.value} key"):
        calls = calls_of(master.native)
        native = calls.derive(master.native, mechanism, data, _template(algorithm, usage))
    confirm(native, RULES[usage], usage.value)
    return Key(usage, algorithm, native)


@cache
def _template(algorithm: Algorithm, usage: Usage) -> Template:
    """Return the template of a derived key; TDEA has no VALUE_LEN (PKCS#11 v2.40, 2.8)."""
    attributes: Template = {
        Attribute.CLASS: ObjectClass.SECRET_KEY,
        Attribute.KEY_TYPE: algorithm.type,
    }
    if algorithm.cipher is Cipher.AES:
        attributes[Attribute.VALUE_LEN] = algorithm.size
    return attributes | template(usage)
