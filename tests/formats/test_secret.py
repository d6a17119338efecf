"""Secrets show nowhere."""

import copy
import pickle
from collections.abc import Callable

import pytest

from kif.formats.secret import Secret

HIDDEN = Secret(b"TEST-4711")

SHOWN: dict[str, Callable[[Secret], str]] = {
    "repr": repr,
    "str": str,
    "format": lambda secret: f"{secret}",
    "format with a width": lambda secret: f"{secret:>40}",
    "format of its repr": lambda secret: f"{secret!r}",
    "percent": lambda secret: "%s %r" % (secret, secret),  # noqa: UP031
    "in a list": lambda secret: str([secret, (secret,), {"pin": secret}]),
}

REFUSED: dict[str, Callable[[Secret], object]] = {
    "equality": lambda secret: secret == Secret(b"TEST-4711"),
    "inequality": lambda secret: secret != Secret(b"TEST-4711"),
    "hash": hash,
    "pickle": pickle.dumps,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("show", SHOWN.values(), ids=SHOWN)
def test_no_way_of_printing_shows_a_secret(show: Callable[[Secret], str]) -> None:
    shown = show(HIDDEN)
    assert "Secret(redacted)" in shown
    assert "4711" not in shown


@pytest.mark.parametrize("use", REFUSED.values(), ids=REFUSED)
def test_a_secret_is_not_compared_hashed_or_copied(use: Callable[[Secret], object]) -> None:
    with pytest.raises(TypeError) as caught:
        use(HIDDEN)
    assert "4711" not in str(caught.value)


def test_a_secret_is_revealed_by_name_only() -> None:
    assert HIDDEN.reveal() == b"TEST-4711"
    assert Secret.of_text("é").reveal() == b"\xc3\xa9"
    assert len(HIDDEN) == 9


def test_a_secret_does_not_change_with_the_buffer_it_was_made_of() -> None:
    buffer = bytearray(b"TEST")
    secret = Secret(bytes(buffer))
    buffer[0] = 0
    assert secret.reveal() == b"TEST"
