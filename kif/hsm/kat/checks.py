"""KCV, AES-CMAC and RETAIL-MAC."""

from kif.formats import emv
from kif.formats.kcv import KcvMethod
from kif.hsm.cmac import key_of_messages
from kif.hsm.crypt import mac_of
from kif.hsm.form import kcv_of
from kif.hsm.kat.outcome import Outputs
from kif.hsm.kat.stand import Stand
from kif.hsm.kat.vector import Skip, Vector
from kif.hsm.key import Algorithm, Cipher
from kif.hsm.usage import Usage

_METHODS = (
    ("CMAC", KcvMethod.AES_CMAC_ZERO),
    ("01*16", KcvMethod.GP_AES_01),
    ("GlobalPlatform AES", KcvMethod.GP_AES_01),
    ("AES", KcvMethod.AES_ZERO),
    ("DES", KcvMethod.DES_ZERO),
)


def kcv(stand: Stand, vector: Vector) -> Outputs:
    """Compute a check value by the method that the title names."""
    method = next((each for words, each in _METHODS if vector.says(words)), None)
    if method is None:
        raise Skip("Its title names no method for a check value.")
    cipher = Cipher.TDEA if method is KcvMethod.DES_ZERO else Cipher.AES
    key = stand.key(vector.hex("key"), cipher, Usage.PUBLIC_BLOCK)
    return {"kcv": kcv_of(key, method).value.hex()}


def aes_cmac(stand: Stand, vector: Vector) -> Outputs:
    """Compute a CMAC twice: as a MAC by C_Sign, and as a key that never leaves the token."""
    value, message = vector.hex("key"), vector.hex("msg")
    signing = stand.key(value, Cipher.AES, Usage.KEYED_DIGEST)
    mac = mac_of(signing, message)
    pair = stand.pair(value, Cipher.AES)
    key = key_of_messages(pair, [message], Algorithm.AES_128, Usage.PUBLIC_BLOCK)
    return {"cmac": (mac.hex(), stand.kept(key))}


def retail_mac(stand: Stand, vector: Vector) -> Outputs:
    """Compute MAC algorithm 3 with padding method 1 or 2."""
    given = vector.inputs
    message = vector.text("msg_ascii").encode() if "msg_ascii" in given else vector.hex("msg")
    if vector.says("padding method 1"):
        padded = emv.zero_padded(message)
    elif vector.says("padding method 2"):
        padded = emv.mac_padded(message)
    else:
        raise Skip("Its title names neither padding method 1 nor 2.")
    return {"mac": _cut(stand.mac_key(vector.hex("key")).mac(padded).hex(), vector)}


def _cut(mac: str, vector: Vector) -> str:
    """Return as much of a MAC as was published, at least four bytes (ISO/IEC 9797-1, 6.6)."""
    return mac[: max(8, len(vector.expect.get("mac", mac)))]
