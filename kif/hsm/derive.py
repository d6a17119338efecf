"""One-call derivations: C_DeriveKey encrypts public data, and the cryptogram *is* the new key.

EMV option A and session keys: CKM_DES3_ECB_ENCRYPT_DATA. AES: CKM_AES_ECB_ENCRYPT_DATA. SCP02:
CKM_DES3_CBC_ENCRYPT_DATA (PKCS#11 v2.40, 2.15). The derived key's value never leaves the token.
"""

from functools import cache

from pkcs11 import Attribute, Mechanism, ObjectClass
from pkcs11.exceptions import PKCS11Error

from kif.hsm.key import Algorithm, Cipher, Key, confirm, template
from kif.hsm.library import failure
from kif.hsm.native import Template
from kif.hsm.structs import Packed
from kif.hsm.usage import RULES, Usage

_DES3_CBC = int(Mechanism.DES3_CBC_ENCRYPT_DATA)


def derive_2tdea(master: Key, data: bytes, usage: Usage) -> Key:
    """Derive a 2TDEA key whose value is 3DES-ECB over 16 bytes, with odd parity set.

    Over :func:`kif.formats.emv.option_a` it is a card's ICC master key (EMV Book 2, A1.4.1).
    """
    return _derived(master, Cipher.TDEA.ecb_data, data, Algorithm.TDES_2, usage)


def derive(master: Key, blocks: bytes, algorithm: Algorithm, usage: Usage) -> Key:
    """Derive a key whose value is ECB of the master over whole blocks, cut to the key's length."""
    return _derived(master, master.algorithm.cipher.ecb_data, blocks, algorithm, usage)


def derive_by_cbc(master: Key, blocks: bytes, usage: Usage) -> Key:
    """Derive a 2TDEA key whose value is 3DES-CBC over 16 bytes, zero IV (SCP02: GPC 2.3, E.4.1)."""
    return _derived(master, _DES3_CBC, blocks, Algorithm.TDES_2, usage)


def _derived(master: Key, mechanism: int, data: bytes, algorithm: Algorithm, usage: Usage) -> Key:
    wanted = template_of(algorithm, usage)
    calls = master.calls
    try:
        handle = calls.derive(master.handle, mechanism, data, wanted)
    except PKCS11Error as exc:
        raise failure(exc, f"deriving a {usage.value} key") from exc
    key = Key(usage, algorithm, calls, handle)
    if calls.due(wanted):
        confirm(key.native, RULES[usage], usage.value)
    return key


@cache
def template_of(algorithm: Algorithm, usage: Usage) -> Packed:
    """Return the template of a derived key; TDEA has no VALUE_LEN (PKCS#11 v2.40, 2.8)."""
    attributes: Template = {
        Attribute.CLASS: ObjectClass.SECRET_KEY,
        Attribute.KEY_TYPE: algorithm.type,
    }
    if algorithm.cipher is Cipher.AES:
        attributes[Attribute.VALUE_LEN] = algorithm.size
    return Packed(attributes | template(usage))
