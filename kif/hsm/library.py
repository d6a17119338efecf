"""The PKCS#11 library of this process: where it is, its one lock, and its errors as sentences.

python-pkcs11 initialises the library without OS locking and releases the GIL during calls, so two
threads in it at once break it. Every call goes through :func:`calling`, which holds the lock.
"""

import hashlib
import threading
from pathlib import Path
from typing import Any

import pkcs11
from pkcs11.exceptions import (
    DeviceError,
    DeviceRemoved,
    PinIncorrect,
    PinInvalid,
    PinLenRange,
    PinLocked,
    PKCS11Error,
    SessionClosed,
    SessionHandleInvalid,
    TokenNotPresent,
    UserNotLoggedIn,
)

from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.hsm import softokn

_SOFTHSM = (
    Path("/usr/lib/softhsm/libsofthsm2.so"),
    Path("/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"),
    Path("/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so"),
    Path("/usr/lib64/pkcs11/libsofthsm2.so"),
)

LOCK = threading.RLock()
"""Whoever calls the library holds it."""
_IN_USE: set[Path] = set()
"""Libraries with a token that is open in this process."""


def softhsm_library() -> Path:
    """Return where SoftHSM's library is. Raises ``DeviceFailed`` when it is not installed."""
    for path in _SOFTHSM:
        if path.exists():
            return path
    raise DeviceFailed(
        Control.TOKEN_PRESENT,
        "SoftHSM is not installed: libsofthsm2.so was not found. Install the package softhsm2.",
    )


def load(path: Path) -> Any:
    """Load a PKCS#11 library, initialised afresh unless a token of it is open.

    Raises ``DeviceFailed`` (TOKEN_PRESENT) when it is not one.
    """
    if not path.exists():
        raise DeviceFailed(
            Control.TOKEN_PRESENT,
            f"There is no PKCS#11 library at {path}. Install the HSM's client software, or correct "
            "the path in the site's hsm.yaml.",
        )
    if softokn.is_softokn(path):
        return softokn.load(path)
    with calling(f"loading {path.name}"):
        try:
            library = pkcs11.lib(str(path))
        except RuntimeError as exc:
            raise DeviceFailed(
                Control.TOKEN_PRESENT,
                f"{path.name} does not start as a PKCS#11 library ({str(exc) or 'no reason'}). "
                "Check that it is the one of the HSM, and that its configuration can be read.",
            ) from exc
        if path not in _IN_USE:
            library.reinitialize()
    return library


def offered_by(path: Path, slot: Any) -> frozenset[int]:
    """Return the mechanisms of a slot by number.

    NSS softokn lists those that derive at another slot of its own, and has them at each.
    """
    slots = load(path).get_slots() if softokn.is_softokn(path) else [slot]
    return frozenset(int(each) for one in slots for each in one.get_mechanisms())


def require_idle(path: Path) -> None:
    """Require that no token is open with a library in this process (TOKEN_PRESENT).

    A library is initialised once for the process: again, it would end the sessions that are open.
    """
    if path in _IN_USE:
        raise DeviceFailed(
            Control.TOKEN_PRESENT,
            "This process has a token open with the same PKCS#11 library. Close it first, or use "
            "another process; nothing was done.",
        )


def use(path: Path) -> None:
    """Note that a token of a library is open."""
    _IN_USE.add(path)


def leave(path: Path) -> None:
    """Note that it is closed."""
    _IN_USE.discard(path)


def library_digest(path: Path) -> str:
    """Return SHA-256 (hex) of a PKCS#11 library's file, links followed."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as exc:
        raise DeviceFailed(
            Control.TOKEN_PRESENT,
            f"There is no PKCS#11 library at {path}, or it can't be read ({exc.strerror}). Install "
            "the HSM's client software.",
        ) from exc


class calling:  # noqa: N801 - reads as contextlib's own
    """Hold the process-wide lock; a failing call becomes ``DeviceFailed`` that says what failed.

    ``doing`` completes "The HSM refused while …" and names no secret.
    """

    __slots__ = ("_doing",)

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        LOCK.acquire()

    def __exit__(self, _: object, exc: BaseException | None, __: object) -> None:
        LOCK.release()
        if isinstance(exc, PKCS11Error):
            raise failure(exc, self._doing) from exc


def failure(exc: PKCS11Error, doing: str) -> DeviceFailed:
    """Return what a failing call is to people."""
    if isinstance(exc, PinIncorrect | PinInvalid | PinLenRange):
        return DeviceFailed(
            Control.TOKEN_LOGIN,
            "The HSM did not accept the PIN. Nothing was done. Check that it is the PIN of "
            "this token; some HSMs lock after a few wrong tries.",
        )
    if isinstance(exc, PinLocked):
        return DeviceFailed(
            Control.TOKEN_LOGIN,
            "The HSM's PIN is locked after too many wrong tries. Its security officer has to "
            "set a new one.",
        )
    if isinstance(exc, TokenNotPresent | DeviceRemoved):
        return DeviceFailed(
            Control.TOKEN_PRESENT,
            f"The HSM is gone while {doing}. Reconnect it, then start again.",
        )
    if isinstance(exc, SessionHandleInvalid | SessionClosed | UserNotLoggedIn | DeviceError):
        return DeviceFailed(
            Control.TOKEN_PRESENT,
            f"The session with the HSM was lost while {doing}. This call had no effect, what was "
            "recorded before it stands, and session keys are gone. Start again: what had begun is "
            "taken up from the record.",
        )
    return DeviceFailed(
        Control.TOKEN_CALL,
        f"The HSM refused while {doing}: {type(exc).__name__}. This call had no effect; "
        "'kif hsm doctor' shows what the token can do.",
    )
