"""``kif card read``: a finished card behind a real PC/SC reader, as a terminal reads it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kif.formats.offline import Certificate, static_block
from kif.formats.tlv import tlv
from kif.simulator.card import Card
from kif.simulator.kept import keep
from kif.simulator.machine import Machine
from kif.simulator.scheme import INDEX, RsaKey, Scheme
from tests.simulator.host import Host
from tests.simulator.script import INSTALL, LISTS, groups, personalise, store

STATIC = tlv(0x5A, bytes.fromhex("9999999900000014")) + tlv(0x5F24, b"\x49\x12\x31")


def read(machine: Machine, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kif.cli.main", "--home", str(home), "card", "read", *arguments],
        env=dict(os.environ, PCSCLITE_CSOCK_NAME=machine.socket),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_finished_card_is_read_in_a_reader(tmp_path: Path) -> None:
    card = Card()
    personalise(Host(card.apdu))
    keep(card, tmp_path / "card.json")
    with Machine(inserted=tmp_path / "card.json") as machine:
        ((name, _),) = machine.readers
        (application,) = json.loads(read(machine, tmp_path, "--reader", name, "--json").stdout)
        table = read(machine, tmp_path, "--reader", name)
        missing = read(machine, tmp_path, "--reader", "Acme")
    assert application["application"] == "A0000000999999"
    found = {each["tag"]: each for each in application["objects"]}
    assert found["5F20"]["value"] == b"TEST/CARD".hex().upper()
    assert (found["82"]["name"], found["82"]["value"]) == (
        "Application Interchange Profile",
        "1C00",
    )
    assert table.stdout.startswith("Application A0000000999999\n")
    assert "Cardholder Name" in table.stdout
    assert (missing.returncode, "no reader 'Acme'" in missing.stderr) == (3, True)


def test_a_card_is_read_over_the_air_where_it_is_laid_there(tmp_path: Path) -> None:
    card = Card()
    host = Host(card.apdu)
    assert host.open().ok
    assert host.secured(INSTALL).ok
    told = tlv(0x82, b"\x10\x80") + tlv(0x94, bytes.fromhex("20010100"))
    air = {"x9105": told, "x9103": tlv(0x50, b"AIR"), "x0401": tlv(0x70, LISTS)}
    assert store(host, groups(host, **air)).ok
    keep(card, tmp_path / "card.json")
    for contactless, label in ((True, b"AIR"), (False, b"TEST")):
        with Machine(inserted=tmp_path / "card.json", contactless=contactless) as machine:
            ((name, _),) = machine.readers
            done = read(machine, tmp_path, "--reader", name, "--json")
        (application,) = json.loads(done.stdout)
        found = {each["tag"]: each["value"] for each in application["objects"]}
        assert found["50"] == label.hex().upper()


def authentic(issuer: RsaKey, scheme: Scheme, signed: bytes) -> Card:
    """Return a card with signed static data."""
    card = Card()
    host = Host(card.apdu)
    assert host.open().ok
    assert host.secured(INSTALL).ok
    certificate = Certificate(b"\x99\x99\x99\x99", b"\x12\x49", bytes(3), issuer.public)
    tag_90, tag_92 = scheme.certify(certificate)
    tag_93 = issuer.signed(static_block(b"\xda\xc1", issuer.public.size, signed))
    objects = {0x8F: bytes((INDEX,)), 0x92: tag_92, 0x9F32: issuer.public.exponent}
    told = b"".join(tlv(tag, value) for tag, value in objects.items())
    aip, afl = tlv(0x82, b"\x5c\x00"), tlv(0x94, bytes.fromhex("0801010110010100" + "18010100"))
    records = {
        "x0101": tlv(0x70, STATIC),
        "x0201": tlv(0x70, tlv(0x90, tag_90)),
        "x0301": tlv(0x70, told + tlv(0x93, tag_93) + LISTS),
    }
    assert store(host, groups(host, x9104=aip + afl, **records)).ok
    return card


@pytest.mark.control("KIF-QC-01")
def test_signed_static_data_is_verified_from_the_schemes_key(tmp_path: Path) -> None:
    issuer, scheme = RsaKey.generate(1152), Scheme(RsaKey.generate(1408))
    key = scheme.key.public
    fields = {"rid": "A000000099", "index": "99", "modulus": key.modulus.hex(), "exponent": "03"}
    (tmp_path / "keys.json").write_text(json.dumps([fields]))
    for signed, code in ((STATIC, 0), (STATIC[:-1], 1)):
        keep(authentic(issuer, scheme, signed), tmp_path / "card.json")
        with Machine(inserted=tmp_path / "card.json") as machine:
            ((name, _),) = machine.readers
            keys = ("--scheme-keys", str(tmp_path / "keys.json"))
            done = read(machine, tmp_path, "--reader", name, "--json", *keys)
        (application,) = json.loads(done.stdout)
        assert [each["right"] for each in application["checks"]] == [True, not code]
        assert done.returncode == code
        assert ("is not of what it signs" in done.stderr) == bool(code)
        assert "9999999900000014" not in done.stdout


@pytest.mark.control("KIF-QC-01")
def test_a_blank_shows_no_application_data(tmp_path: Path) -> None:
    card = Card()
    card.registry.applications.clear()
    keep(card, tmp_path / "card.json")
    with Machine(inserted=tmp_path / "card.json") as machine:
        ((name, _),) = machine.readers
        done = read(machine, tmp_path, "--reader", name)
    assert done.returncode == 1
    assert "none of the applications that the products have" in done.stderr
