"""A token that is open: one login for the process, found by its label, never by a slot number."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from pkcs11 import Attribute, ObjectClass
from pkcs11.exceptions import NoSuchToken

from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.formats.secret import Secret
from kif.hsm import library, softhsm
from kif.hsm.calls import attach, detach, require_session
from kif.hsm.native import NativeKey, NativeObject, NativeSession, Template

if TYPE_CHECKING:
    from kif.hsm.key import Key

SECRET, PRIVATE, PUBLIC = "secret", "private", "public"
_HALVES = {
    SECRET: ObjectClass.SECRET_KEY,
    PRIVATE: ObjectClass.PRIVATE_KEY,
    PUBLIC: ObjectClass.PUBLIC_KEY,
}


@dataclass(frozen=True)
class TokenPlace:
    """Where a token is: the PKCS#11 library, the token's label, and for SoftHSM its directory."""

    library: Path
    label: str
    softhsm_directory: Path | None = None


@dataclass(frozen=True)
class TokenDescription:
    """What a token says of itself, for the record."""

    manufacturer: str
    model: str
    serial: str
    firmware: str


class Token:
    """An open token with one user session. Use as a context manager."""

    def __init__(self, place: TokenPlace, session: NativeSession) -> None:
        self.place = place
        self.session = session
        self.trusted: Key | None = None
        """The key that masters may leave under, when the security officer opened the session."""

    @classmethod
    def open(cls, place: TokenPlace, pin: Secret) -> Token:
        """Log in as user. Raises ``DeviceFailed``: TOKEN_PRESENT or TOKEN_LOGIN."""
        return cls.reach(place, _text(pin))

    @classmethod
    def reach(cls, place: TokenPlace, user_pin: str | None) -> Token:
        """Open a session, in which nobody is logged in without a PIN: see kif.hsm.officer."""
        library.require_idle(place.library)
        with _start_lock(place), library.calling("logging in"):
            native = library.load(place.library)
            try:
                token = native.get_token(token_label=place.label)
            except NoSuchToken as exc:
                raise DeviceFailed(
                    Control.TOKEN_PRESENT,
                    f"The HSM shows no token with the label '{place.label}'. Connect it, or run "
                    "the genesis ceremony of this site.",
                ) from exc
            session = token.open(rw=True, user_pin=user_pin)
            library.use(place.library)
            attach(session, place.library)
            return cls(place, session)

    def close(self) -> None:
        """Log out; every session object is destroyed by the token."""
        library.leave(self.place.library)
        detach(self.session)
        with library.calling("logging out"):
            self.session.close()

    def __enter__(self) -> Token:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def describe(self) -> TokenDescription:
        """Return manufacturer, model, serial and firmware."""
        with library.calling("describing the token"):
            token = self.session.token
            major, minor = token.firmware_version
            return TokenDescription(
                token.manufacturer_id.strip(),
                token.model.strip(),
                token.serial.decode(errors="replace").strip("\x00 "),
                f"{major}.{minor}",
            )

    def random(self, size: int) -> bytes:
        """Return random bytes from the token."""
        with library.calling("drawing random bytes"):
            return self.session.generate_random(8 * size)

    def find(self, label: str, kind: ObjectClass) -> NativeKey:
        """Return the key object with this label. Raises ``DeviceFailed`` (KEY_FOUND)."""
        with library.calling(f"looking for key {label}"):
            found = self._objects({Attribute.CLASS: kind, Attribute.LABEL: label})
        if len(found) != 1:
            number = "several keys" if found else "no key"
            raise DeviceFailed(
                Control.KEY_FOUND, f"The token has {number} with the label '{label}', not one."
            )
        return found[0]

    def has(self, label: str, kind: ObjectClass) -> bool:
        """Return whether there is an object with this label."""
        with library.calling(f"looking for {label}"):
            return bool(self._objects({Attribute.CLASS: kind, Attribute.LABEL: label}))

    def destroy_all(self, label: str, kind: ObjectClass) -> None:
        """Destroy every object with this label; none is no error."""
        with library.calling(f"destroying {label}"):
            for native in self._objects({Attribute.CLASS: kind, Attribute.LABEL: label}):
                native.destroy()

    def key_objects(self) -> dict[tuple[str, str], list[NativeKey]]:
        """Return the keys that stay in the token, by label and half: secret, private, public."""
        found: dict[tuple[str, str], list[NativeKey]] = {}
        with library.calling("listing the token's keys"):
            for half, kind in _HALVES.items():
                for native in self._objects({Attribute.CLASS: kind, Attribute.TOKEN: True}):
                    label = str(native[Attribute.LABEL])
                    found.setdefault((label, half), []).append(native)
        return found

    def keep_public(self, label: str, value: bytes) -> None:
        """Keep a public value as a data object beside the keys."""
        with library.calling(f"keeping {label}"):
            self.session.create_object(
                {
                    Attribute.CLASS: ObjectClass.DATA,
                    Attribute.TOKEN: True,
                    Attribute.PRIVATE: True,
                    Attribute.MODIFIABLE: False,
                    Attribute.APPLICATION: "kif",
                    Attribute.LABEL: label,
                    Attribute.VALUE: value,
                }
            )

    def public_value(self, label: str) -> bytes:
        """Return what ``keep_public`` kept. Raises ``DeviceFailed`` (KEY_FOUND)."""
        with library.calling(f"reading {label}"):
            for each in self.data_objects({Attribute.LABEL: label}):
                return bytes(each[Attribute.VALUE])
        raise DeviceFailed(Control.KEY_FOUND, f"The token has no data object '{label}'.")

    def data_objects(self, attributes: Template) -> Sequence[NativeObject]:
        """Return every data object with these attributes."""
        return self._objects({Attribute.CLASS: ObjectClass.DATA, **attributes})

    def _objects(self, attributes: Template) -> list[NativeKey]:
        """Search to the end: python-pkcs11 leaves a search that is broken off open in the token."""
        require_session(self.session)
        return list(self.session.get_objects(attributes))


def _text(pin: Secret) -> str:
    """Return the PIN as text. The decoder's own error would show it."""
    try:
        return pin.reveal().decode()
    except UnicodeDecodeError:
        raise DeviceFailed(
            Control.TOKEN_LOGIN, "The PIN is not UTF-8 text, so it was not tried. Nothing was done."
        ) from None


@contextmanager
def _start_lock(place: TokenPlace) -> Iterator[None]:
    """Let one process at a time start on a token directory: simultaneous starts fail.

    SoftHSM's configuration is written under the same lock, so that nobody reads half of it.
    """
    if place.softhsm_directory is None:
        yield
        return
    place.softhsm_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (place.softhsm_directory / "start.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        softhsm.use_directory(place.softhsm_directory)
        yield
