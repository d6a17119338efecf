"""NSS softokn (libsoftokn3.so): a second token, which wants a string of its own to start.

python-pkcs11 starts a library with C_Initialize(NULL), which softokn refuses: it takes its
database's directory and its token's label from ``LibraryParameters``, a field that NSS added to
CK_C_INITIALIZE_ARGS. So it is started here, and python-pkcs11 is told that it need not.
"""

from __future__ import annotations

import ctypes
import importlib
from ctypes import c_ulong, c_void_p
from pathlib import Path
from typing import Any

from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.hsm.functions import Functions

LABEL = "kif"
"""Of its token, whose security officer has an empty PIN until one is set."""
_PLACES = (
    Path("/usr/lib/x86_64-linux-gnu/libsoftokn3.so"),
    Path("/usr/lib/aarch64-linux-gnu/libsoftokn3.so"),
    Path("/usr/lib/x86_64-linux-gnu/nss/libsoftokn3.so"),
    Path("/usr/lib64/libsoftokn3.so"),
)
_OS_LOCKING = 2
_started: list[Functions] = []


class _Arguments(ctypes.Structure):
    """CK_C_INITIALIZE_ARGS as NSS has it."""

    _fields_ = (
        ("mutexes", c_void_p * 4),
        ("flags", c_ulong),
        ("parameters", ctypes.c_char_p),
        ("reserved", c_void_p),
    )


def is_softokn(library: Path) -> bool:
    """Return whether a library is NSS softokn, by its name."""
    return library.name.startswith("libsoftokn")


def softokn_library() -> Path:
    """Return where softokn's library is. Raises ``DeviceFailed`` when it is not installed."""
    for path in _PLACES:
        if path.exists():
            return path
    raise DeviceFailed(
        Control.TOKEN_PRESENT,
        "NSS softokn is not installed: libsoftokn3.so was not found. Install the package libnss3.",
    )


def use_directory(library: Path, directory: Path) -> None:
    """Start the library on a database directory, which is made; one for the process at a time."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    functions = Functions(library)
    if _started:
        _check(functions.Finalize(None))
        _started.clear()
    parameters = (
        f"configdir='sql:{directory}' certPrefix='' keyPrefix='' secmod='secmod.db' flags= "
        f"dbTokenDescription='{LABEL}'"
    ).encode()
    arguments = _Arguments(flags=_OS_LOCKING, parameters=parameters)
    _check(functions.Initialize(ctypes.byref(arguments)))
    _started.append(functions)


def load(library: Path) -> Any:
    """Return python-pkcs11's library object over the started library."""
    native = importlib.import_module("pkcs11._pkcs11")

    class Started(native.lib):  # type: ignore[misc,name-defined]
        """A library that is started already."""

        def initialize(self) -> None:
            """Leave it as it is."""

    return Started(str(library))


def _check(result: int) -> None:
    if result:
        raise DeviceFailed(
            Control.TOKEN_CALL, f"NSS softokn answered {result:#x} while it was started."
        )
