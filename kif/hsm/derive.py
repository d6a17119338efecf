"""One-call derivations: C_DeriveKey encrypts public data, and the cryptogram *is* the new key.

EMV option A and session keys: CKM_DES3_ECB_ENCRYPT_DATA. AES: CKM_AES_ECB_ENCRYPT_DATA (PKCS#11
v2.40, 2.15). The value of the derived key never leaves the token.
"""

from functools import cache

from pkcs11 import Attribute, Mechanism, ObjectClass

from kif.hsm.calls import calls_of
from kif.hsm.key import Algorithm, Key, confirm, template
from kif.hsm.library import calling
from kif.hsm.native import Template
from kif.hsm.usage import RULES, Usage


def derive_2tdea(master: Key, data: bytes, usage: Usage) -> Key:
    """Derive a 2TDEA key whose value is 3DES-ECB over 16 bytes, with odd parity set.

    Over :func:`kif.formats.emv.option_a` it is a card's ICC master key (EMV Book 2, A1.4.1).
    """
    return _derived(master, Mechanism.DES3_ECB_ENCRYPT_DATA, data, Algorithm.TDES_2, usage)


def derive_aes(master: Key, blocks: bytes, algorithm: Algorithm, usage: Usage) -> Key:
    """Derive an AES key whose value is AES-ECB over whole blocks, cut to the key's length."""
    return _derived(master, Mechanism.AES_ECB_ENCRYPT_DATA, blocks, algorithm, usage)


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
    """Return the template of a derived key; 2TDEA has no VALUE_LEN (PKCS#11 v2.40, 2.8)."""
    attributes: Template = {
        Attribute.CLASS: ObjectClass.SECRET_KEY,
        Attribute.KEY_TYPE: algorithm.type,
    }
    if algorithm is not Algorithm.TDES_2:
        attributes[Attribute.VALUE_LEN] = algorithm.size
    return attributes | template(usage)
