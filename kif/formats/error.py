"""Errors are sentences: what was found, what was expected, what to do, and the control's id.

>>> raise BadInput(Control.FILE_COUNT, "The file has 4 records but its header says 5. "
...                "Ask the issuer to send the file again.")

A sentence never carries a key, PIN, PAN, name or other secret; a record is named by its number.
Each class has the exit code that every command of kif ends with (docs/operator.md).
"""

from typing import ClassVar

from kif.formats.control import Control


class KifError(Exception):
    """The base of every error that a person is shown: one sentence and a control's id."""

    exit_code: ClassVar[int] = 1

    def __init__(self, control: Control, sentence: str) -> None:
        super().__init__(f"{sentence} [{control.value}]")
        self.control = control
        self.sentence = sentence


class CheckFailed(KifError):
    """A verification came out wrong: a ledger, a reconciliation, a known answer (exit code 1)."""

    exit_code = 1


class BadInput(KifError):
    """What came in from outside is not acceptable as it is (exit code 2)."""

    exit_code = 2


class DeviceFailed(KifError):
    """The HSM, a reader or a card did not do what was asked of it (exit code 3)."""

    exit_code = 3


class Refused(KifError):
    """People or policy do not allow it (exit code 4)."""

    exit_code = 4


class LedgerUnavailable(KifError):
    """The ledger can't be written, so nothing is done (exit code 5)."""

    exit_code = 5
