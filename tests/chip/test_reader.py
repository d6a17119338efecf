"""Readers that are not there."""

import os
import subprocess
import sys

import pytest

from kif.chip.reader import open_reader
from kif.formats.error import DeviceFailed
from tests.machine import LoadedMachine

OPEN = """
from kif.chip.reader import open_reader
from kif.formats.error import KifError
try:
    open_reader("VPCD A 00 00")
except KifError as error:
    print(error.exit_code, error)
"""


@pytest.mark.control("KIF-CHIP-01")
def test_a_service_that_does_not_run_is_a_sentence() -> None:
    environment = {**os.environ, "PCSCLITE_CSOCK_NAME": "/nowhere/pcscd.comm"}
    said = subprocess.run(
        [sys.executable, "-c", OPEN], env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert said.startswith("3 The PC/SC service does not answer")
    assert "[KIF-CHIP-01]" in said


@pytest.mark.control("KIF-CHIP-01")
def test_a_reader_that_is_not_there_names_those_that_are(machine: LoadedMachine) -> None:
    with pytest.raises(DeviceFailed, match=r"no reader 'Acme'; found: 'VPCD A 00 00'"):
        open_reader("Acme")
