"""Make a token: C_InitToken and C_InitPIN, which python-pkcs11 does not have.

The PINs go to the library in memory, never through a program's argument list.
"""

import ctypes
from pathlib import Path

from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.formats.secret import Secret
from kif.hsm.functions import Functions
from kif.hsm.library import load, require_idle

_RW_SESSION = 0x6
_SECURITY_OFFICER = 0
_LABEL_LENGTH = 32
_TOKEN_INFO, _FLAGS = 512, 96
"""Room for CK_TOKEN_INFO, and where its flags stand (PKCS#11 v2.40, 3.2)."""
_TOKEN_INITIALIZED = 0x400


def provision(library: Path, label: str, so_pin: Secret, user_pin: Secret) -> None:
    """Initialise the first free slot as a token with this label (at most 32 bytes) and PINs.

    1. The library starts afresh; 2. C_InitToken on the last slot, which SoftHSM keeps free;
    3. C_InitPIN as security officer; 4. every session is closed. Raises ``DeviceFailed`` naming the
    call.
    """
    require_idle(library)
    load(library)
    calls = Functions(library)  # the same library, already initialised
    slot = _last_slot(calls)
    _require_blank(calls, slot)
    padded = label.encode().ljust(_LABEL_LENGTH)
    try:
        _check(calls.InitToken(slot, *_pin(so_pin), padded), "C_InitToken")
        _set_user_pin(calls, slot, so_pin, user_pin)
    finally:
        calls.CloseAllSessions(slot)


def set_user_pin(library: Path, label: str, so_pin: Secret, user_pin: Secret) -> None:
    """Give the token with this label, which was made already, its user PIN (C_InitPIN)."""
    calls = Functions(library)
    slot = ctypes.c_ulong(load(library).get_token(token_label=label).slot.slot_id)
    try:
        _set_user_pin(calls, slot, so_pin, user_pin)
    finally:
        calls.CloseAllSessions(slot)


def _last_slot(calls: Functions) -> ctypes.c_ulong:
    count = ctypes.c_ulong()
    _check(calls.GetSlotList(ctypes.c_ubyte(0), None, ctypes.byref(count)), "C_GetSlotList")
    slots = (ctypes.c_ulong * count.value)()
    _check(calls.GetSlotList(ctypes.c_ubyte(0), slots, ctypes.byref(count)), "C_GetSlotList")
    if not count.value:
        raise DeviceFailed(Control.TOKEN_PRESENT, "The PKCS#11 library shows no slot.")
    return ctypes.c_ulong(slots[count.value - 1])


def _require_blank(calls: Functions, slot: ctypes.c_ulong) -> None:
    """Require a token that was never initialised: C_InitToken destroys whatever there is."""
    info = (ctypes.c_ubyte * _TOKEN_INFO)()
    _check(calls.GetTokenInfo(slot, info), "C_GetTokenInfo")
    flags = ctypes.c_ulong.from_buffer(info, _FLAGS).value
    if flags & _TOKEN_INITIALIZED:
        raise DeviceFailed(
            Control.TOKEN_PRESENT,
            "The PKCS#11 library shows no blank token, and one that is in use is never made anew. "
            "Nothing was done.",
        )


def _set_user_pin(calls: Functions, slot: ctypes.c_ulong, so: Secret, user: Secret) -> None:
    session = ctypes.c_ulong()
    opened = calls.OpenSession(slot, ctypes.c_ulong(_RW_SESSION), None, None, ctypes.byref(session))
    _check(opened, "C_OpenSession")
    _check(calls.Login(session, ctypes.c_ulong(_SECURITY_OFFICER), *_pin(so)), "C_Login")
    _check(calls.InitPIN(session, *_pin(user)), "C_InitPIN")


def _pin(pin: Secret) -> tuple[bytes, ctypes.c_ulong]:
    return pin.reveal(), ctypes.c_ulong(len(pin))


def _check(result: int, name: str) -> None:
    if result:
        raise DeviceFailed(
            Control.TOKEN_CALL, f"{name} answered {result & 0xFFFFFFFF:#x} while making the token."
        )
