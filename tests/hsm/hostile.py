"""What a hostile holder of the session tries: every call, whatever the key's attributes say.

python-pkcs11 gives an object only the methods that its attributes allow; here it gets them all, so
that it is the token that refuses.
"""

import importlib
from collections.abc import Callable
from typing import Any

from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass

_raw: Any = importlib.import_module("pkcs11._pkcs11")
RIGHTS = (
    Attribute.ENCRYPT,
    Attribute.DECRYPT,
    Attribute.SIGN,
    Attribute.VERIFY,
    Attribute.WRAP,
    Attribute.UNWRAP,
    Attribute.DERIVE,
)
# CKR_KEY_FUNCTION_NOT_PERMITTED: what a key that lacks the right answers.
NOT_PERMITTED = r"0x68|KeyFunctionNotPermitted"
_METHODS = ("Encrypt", "Decrypt", "Sign", "Verify", "Wrap", "Unwrap", "Derive")
_Unbound = type(
    "_Unbound",
    (_raw.SecretKey, *(getattr(_raw, f"{name}Mixin") for name in _METHODS), _raw.Object),
    {},
)


def unbound(native: Any) -> Any:
    """Return the same token object with every method."""
    return _Unbound(native.wrapper)


def calls(native: Any, target: Any) -> dict[Attribute, Callable[[], object]]:
    """Return one call for each right; each is in order for a key that has the right.

    ``target`` is an extractable key to be wrapped.
    """
    key = unbound(native)
    mechanisms = _MECHANISMS[native.key_type]
    secret = ObjectClass.SECRET_KEY
    return {
        Attribute.ENCRYPT: lambda: key.encrypt(bytes(16), **mechanisms["cipher"]),
        Attribute.DECRYPT: lambda: key.decrypt(bytes(16), **mechanisms["cipher"]),
        Attribute.SIGN: lambda: key.sign(bytes(32), **mechanisms["sign"]),
        Attribute.VERIFY: lambda: key.verify(bytes(32), bytes(16), **mechanisms["sign"]),
        Attribute.WRAP: lambda: key.wrap_key(target.native, **mechanisms["wrap"]),
        Attribute.UNWRAP: lambda: key.unwrap_key(
            secret, KeyType.AES, bytes(24), **mechanisms["wrap"]
        ),
        Attribute.DERIVE: lambda: key.derive_key(KeyType.AES, 128, **mechanisms["derive"]),
    }


_MECHANISMS: dict[KeyType, dict[str, dict[str, Any]]] = {
    KeyType.AES: {
        "cipher": {"mechanism": Mechanism.AES_ECB},
        "sign": {"mechanism": Mechanism.AES_CMAC},
        "wrap": {"mechanism": Mechanism.AES_KEY_WRAP},
        "derive": {"mechanism": Mechanism.AES_ECB_ENCRYPT_DATA, "mechanism_param": bytes(16)},
    },
    KeyType.RSA: {
        "cipher": {"mechanism": Mechanism.RSA_PKCS},
        "sign": {"mechanism": Mechanism.RSA_PKCS},
        "wrap": {"mechanism": Mechanism.RSA_PKCS},
        "derive": {"mechanism": Mechanism.AES_ECB_ENCRYPT_DATA, "mechanism_param": bytes(16)},
    },
    KeyType.EC: {
        "cipher": {"mechanism": Mechanism.RSA_PKCS},
        "sign": {"mechanism": Mechanism.ECDSA},
        "wrap": {"mechanism": Mechanism.RSA_PKCS},
        "derive": {"mechanism": Mechanism.AES_ECB_ENCRYPT_DATA, "mechanism_param": bytes(16)},
    },
}
_MECHANISMS[KeyType.EC_EDWARDS] = _MECHANISMS[KeyType.EC] | {"sign": {"mechanism": Mechanism.EDDSA}}
