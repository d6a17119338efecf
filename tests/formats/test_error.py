"""Errors are sentences with a control's id and an exit code."""

import pytest

from kif.formats.control import Control
from kif.formats.error import (
    BadInput,
    CheckFailed,
    DeviceFailed,
    KifError,
    LedgerUnavailable,
    Refused,
)

EXIT_CODES: dict[type[KifError], int] = {
    CheckFailed: 1,
    BadInput: 2,
    DeviceFailed: 3,
    Refused: 4,
    LedgerUnavailable: 5,
}


@pytest.mark.parametrize(("kind", "code"), EXIT_CODES.items(), ids=lambda each: str(each))
def test_each_kind_of_error_has_its_exit_code(kind: type[KifError], code: int) -> None:
    assert kind.exit_code == code


def test_every_kind_of_error_is_in_the_table_of_exit_codes() -> None:
    assert set(KifError.__subclasses__()) == set(EXIT_CODES)


@pytest.mark.parametrize("kind", EXIT_CODES)
def test_an_error_says_its_sentence_and_its_control(kind: type[KifError]) -> None:
    error = kind(Control.BYTES, "A byte is missing.")
    assert str(error) == "A byte is missing. [KIF-FMT-01]"
    assert (error.control, error.sentence) == (Control.BYTES, "A byte is missing.")
