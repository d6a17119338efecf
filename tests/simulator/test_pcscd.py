"""The private pcscd: what it needs, and what it does when it does not get it."""

import socket
import tempfile
from pathlib import Path

import pytest

from kif.formats.error import DeviceFailed
from kif.simulator import pcscd


def test_a_port_that_another_program_took_is_not_mistaken_for_a_reader(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as other:
        other.bind(("", 0))
        other.listen()
        taken = other.getsockname()[1]
        ports = iter([taken, pcscd._free_pair()])
        monkeypatch.setattr(pcscd, "_free_pair", lambda: next(ports))
        with pcscd.PrivatePcscd() as running:
            assert taken not in running.ports.values()


@pytest.mark.control("KIF-CHIP-01")
def test_a_pcscd_that_does_not_start_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "pcscd"
    broken.write_text("#!/bin/sh\necho no luck today >&2; exit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(pcscd, "_SEARCH", str(tmp_path))
    with pytest.raises(DeviceFailed, match="no luck today"), pcscd.PrivatePcscd():
        pass


def test_a_long_temporary_directory_does_not_make_the_socket_too_long(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("x" * 100)))
    with pcscd.PrivatePcscd() as running:
        assert len(str(running.socket_path)) < 108


@pytest.mark.control("KIF-CHIP-01")
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pcscd, "_DRIVER", tmp_path / "nowhere.so")
    with pytest.raises(DeviceFailed, match="apt-get install vsmartcard-vpcd"):
        pcscd.PrivatePcscd()
    monkeypatch.setattr(pcscd, "_SEARCH", str(tmp_path))
    with pytest.raises(DeviceFailed, match="apt-get install pcscd"):
        pcscd.PrivatePcscd()
