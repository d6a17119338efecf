"""The security officer's part: a key that the token trusts to wrap masters, for one session.

A master leaves the token only under a key that is TRUSTED, and only the security officer makes one.
He can't see private objects, so it is a public object of the session: it lives while the session
does, in the token's memory, and nowhere else::

    1. C_Login as security officer; 2. the combiner is generated; 3. C_Logout, C_Login as user
"""

from __future__ import annotations

import ctypes

from pkcs11 import KeyType
from pkcs11.exceptions import PKCS11Error

from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.formats.secret import Secret
from kif.hsm.functions import Functions
from kif.hsm.key import Algorithm, Key, confirm, template
from kif.hsm.library import LOCK, failure
from kif.hsm.token import Token, TokenPlace
from kif.hsm.usage import RULES, Usage

_SECURITY_OFFICER, _USER = 0, 1


def open_with_officer(place: TokenPlace, user: Secret, officer: Secret) -> Token:
    """Open a token for its user, with a key in ``trusted`` that masters may leave under.

    Raises ``DeviceFailed`` as ``Token.open`` does, TOKEN_LOGIN naming whose PIN was not taken.
    """
    token = Token.reach(place, None)
    try:
        token.trusted = _combiner(token, user, officer)
    except BaseException:
        token.close()
        raise
    return token


def _combiner(token: Token, user: Secret, officer: Secret) -> Key:
    session = token.session
    calls, handle = Functions(token.place.library), ctypes.c_ulong(session.handle)
    with LOCK:
        _login(calls, handle, _SECURITY_OFFICER, officer, "security officer")
        try:
            native = session.generate_key(
                KeyType.AES, 256, template=template(Usage.OFFICER_COMBINER)
            )
        except PKCS11Error as exc:
            raise failure(exc, "making a key that is trusted") from exc
        finally:
            calls.Logout(handle)
        _login(calls, handle, _USER, user, "user")
    confirm(native, RULES[Usage.OFFICER_COMBINER], Usage.OFFICER_COMBINER.value)
    return Key.of(Usage.OFFICER_COMBINER, Algorithm.AES_256, native)


def _login(calls: Functions, handle: ctypes.c_ulong, kind: int, pin: Secret, who: str) -> None:
    result = calls.Login(handle, ctypes.c_ulong(kind), pin.reveal(), ctypes.c_ulong(len(pin)))
    if result:
        raise DeviceFailed(
            Control.TOKEN_LOGIN,
            f"The token did not take the {who}'s PIN (C_Login answered {result & 0xFFFFFFFF:#x}). "
            "Nothing was done.",
        )
