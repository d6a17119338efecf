"""PINs that leave: the issuer opens its blocks, the printer its envelope; the record says when."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from kif.ceremony.rehearsal import drawn_sheets
from kif.chip.personalise import personalise
from kif.formats import pinblock
from kif.formats.error import BadInput, Refused
from kif.formats.keyref import KeyRef
from kif.formats.pan import masked
from kif.formats.secret import Secret
from kif.fulfilment.dispatch import dispatch_batch
from kif.fulfilment.pins import export_pins, read_printer, seal_mailers
from kif.ledger.event import Entry
from kif.oracle.audit import audit
from kif.oracle.local import LocalOracle, open_oracle
from kif.preparation.lint import check_profile
from kif.preparation.product import product_files
from kif.quality.authentication import read_scheme_keys
from kif.quality.chip import check_chip
from kif.simulator.card import Card
from kif.simulator.issuer import TestIssuer
from tests.cli.kif import kif, operators
from tests.oracle.test_chip import Wire, antenna, card
from tests.site import (
    ISSUER,
    OPERATORS,
    TestSite,
    claimed,
    make_site,
    released_batch,
    shared_scheme,
    shipped,
)


@dataclass
class Made:
    """A site with a batch whose cards were dispatched, and their chips."""

    site: TestSite
    batch: str
    chips: list[Card] = field(default_factory=list)
    day: date = date.min
    """On which they left."""

    def pin(self, number: int) -> str:
        found = self.chips[number - 1].application.pin
        assert found is not None
        return pinblock.pin_of(Secret(found.block)).reveal().decode()

    def account(self, number: int) -> str:
        return (self.chips[number - 1].application.stored.object_of(0x5A) or b"").hex()

    def _time(self) -> datetime:
        """Return the time, on the day on which the cards left at the latest."""
        return min(datetime.now(UTC), datetime.combine(self.day, time.max, UTC))

    @contextmanager
    def later(self, days: int) -> Iterator[LocalOracle]:
        """Open the site on the day on which the cards left, or so many days later."""
        with (
            self.site.home.alone(),
            open_oracle(
                self.site.home,
                self.site.pin(),
                OPERATORS,
                clock=lambda: self._time() + timedelta(days=days),
            ) as oracle,
        ):
            yield oracle

    def folder(self) -> Path:
        return self.site.home.pins


def dispatched(site: TestSite, product: str = "test-credit") -> Made:
    with site.oracle() as oracle:
        view = released_batch(site, oracle, "PINS", 3, product=product)
        made = Made(site, view.id)
        for _ in range(2):
            chip = card()
            job = personalise(claimed(oracle, view.id), Wire(chip), oracle.chip).view
            oracle.graphics.printed(job.id)
            check_chip(job.id, Wire(chip), oracle.quality, bytes, antenna(chip))
            made.chips.append(chip)
        personalise(claimed(oracle, view.id), Wire(card("bad-rmac@1")), oracle.chip)
        dispatch_batch(view.id, oracle.fulfilment, site.home.dispatch)
        made.day = datetime.now(UTC).date()
    return made


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return dispatched(make_site(tmp_path / "home"))


def decrypted(key: bytes, block: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.ECB()).decryptor().update(block)  # noqa: S305


def kinds(oracle: LocalOracle) -> list[tuple[str, str]]:
    with oracle.gateway.desk.record.reading() as (_, tx):
        found = map(Entry.decode, tx.ledger.leaves())
        return [(entry.event.kind, entry.boundary.value) for entry in found]


@pytest.mark.control("KIF-HSM-04", "KIF-ORA-12")
def test_an_issuers_host_opens_the_blocks_of_the_cards_that_it_gets(made: Made) -> None:
    """ISO 9564-1, 9.4.2, by other software; the PIN of a block is that of the chip."""
    with made.site.oracle() as oracle:
        path = export_pins(made.batch, oracle.pins, made.folder())
        assert kinds(oracle)[-1] == ("pins-exported", "hsm")
    content = json.loads(path.read_bytes())
    assert (content["issuer"], content["reference"]) == (ISSUER, "PINS")
    assert (content["under"], content["pin_block_format"]) == (f"{ISSUER}/pin-zone/1", 4)
    assert [each["number"] for each in content["cards"]] == [1, 2]
    zone = TestIssuer(Path(), ISSUER).master_key("pin-zone")
    for each in content["cards"]:
        account = made.account(each["number"])
        inner = decrypted(zone, bytes.fromhex(each["pin_block"]))
        over = pinblock.format_4_pan(account)
        plain = decrypted(zone, bytes(a ^ b for a, b in zip(inner, over, strict=True)))
        pin = pinblock.pin_of_format_4(Secret(plain)).reveal().decode()
        assert pin == made.pin(each["number"])
        assert len(each["verification_value"]) == 4
        assert account not in path.read_text()
    audit(made.site.home)


FORMAT_0 = "pin-zone-key-2tdea"


def format_0_site(folder: Path) -> TestSite:
    """Return a site with a product whose PINs go to their issuer in blocks of format 0."""
    site = make_site(folder)
    site.home.products.mkdir()
    text = product_files()["test-credit"].read_text().replace("test-credit", "test-format-0")
    path = site.home.products / "test-format-0.yaml"
    path.write_text(text.replace("pin-mailer]", "pin-mailer, pin-format-0]"))
    assert check_profile(path) == []
    return site


@pytest.mark.control("KIF-HSM-04", "KIF-ORA-12")
def test_an_issuers_host_opens_blocks_of_format_0(tmp_path: Path) -> None:
    """ISO 9564-1, 9.3.1, by other software; the entry says that they were clear."""
    site = format_0_site(tmp_path / "home")
    with site.oracle() as oracle:
        (zone,) = site.load_drawn(oracle, FORMAT_0, ISSUER)
    made = dispatched(site, "test-format-0")
    with site.oracle() as oracle:
        path = export_pins(made.batch, oracle.pins, made.folder())
        assert kinds(oracle)[-1] == ("pins-exported", "host")
    content = json.loads(path.read_bytes())
    assert (content["under"], content["pin_block_format"]) == (str(zone), 0)
    first, second = (each.value.reveal() for each in drawn_sheets(shipped(FORMAT_0))(zone)[:2])
    key = bytes(a ^ b for a, b in zip(first, second, strict=True))
    for each in content["cards"]:
        opened = Cipher(TripleDES(key + key[:8]), modes.ECB()).decryptor()  # noqa: S305
        block = Secret(opened.update(bytes.fromhex(each["pin_block"])))
        account = made.account(each["number"])
        assert pinblock.pin_of(block, account).reveal().decode() == made.pin(each["number"])
    audit(site.home)


@pytest.mark.control("KIF-HSM-04", "KIF-HSM-05")
def test_a_product_takes_the_zones_key_of_its_own_cipher(tmp_path: Path) -> None:
    """An AES key makes no block of format 0: no card is made whose PIN could not leave."""
    site = format_0_site(tmp_path / "home")
    aes = KeyRef(ISSUER, "pin-zone", 1)
    with site.oracle() as oracle:
        with pytest.raises(Refused, match="has no active TDEA key for pin-zone"):
            released_batch(site, oracle, "NONE", 1, product="test-format-0")
        (batch,) = (view.id for view in oracle.supervision.batches())
        with pytest.raises(BadInput, match="is of AES-128, and the batch's product takes"):
            oracle.preparation.resolve(batch, {"pin-zone": ""}, (aes,), {"pin-zone": "TDEA"})


@dataclass(frozen=True)
class Printer:
    """A TEST printer of PIN mailers: its key and certificate."""

    folder: Path

    @property
    def certificate(self) -> x509.Certificate:
        path = self.folder / "printer.pem"
        if not path.exists():
            request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "30"]
            files = ["-keyout", str(self.folder / "printer-key.pem"), "-out", str(path)]
            subject = ["-subj", "/CN=TEST PRINTER"]
            subprocess.run([*request, *subject, *files], check=True, capture_output=True)
        return read_printer(path.read_bytes(), datetime.now(UTC))

    def opened(self, path: Path) -> list[dict[str, str]]:
        command = ["openssl", "cms", "-decrypt", "-binary", "-inform", "DER", "-in", str(path)]
        key = ["-inkey", str(self.folder / "printer-key.pem")]
        done = subprocess.run([*command, *key], check=True, capture_output=True)
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.control("KIF-ORA-12", "KIF-HSM-04")
def test_a_printer_alone_opens_the_pins_on_a_later_day_and_once(made: Made, tmp_path: Path) -> None:
    printer = Printer(tmp_path)
    with made.later(days=0) as oracle:
        with pytest.raises(Refused, match="are sealed when it is closed"):
            seal_mailers(made.batch, oracle.pins, printer.certificate, made.folder())
        oracle.supervision.close_batch(made.batch)
        with pytest.raises(Refused, match="their PINs leave on a later day"):
            seal_mailers(made.batch, oracle.pins, printer.certificate, made.folder())
        assert not made.folder().exists()
    with made.later(days=1) as oracle:
        path = seal_mailers(made.batch, oracle.pins, printer.certificate, made.folder())
        assert kinds(oracle)[-1] == ("pin-mailers-sealed", "host")
        with pytest.raises(Refused, match="were sealed before"):
            seal_mailers(made.batch, oracle.pins, printer.certificate, made.folder())
        assert [each.name for each in made.folder().iterdir()] == [path.name]
    assert printer.opened(path) == [
        {
            "account": masked(made.account(number)),
            "name": "CARDHOLDER AA TEST",
            "pin": made.pin(number),
        }
        for number in (1, 2)
    ]
    for number in (1, 2):
        assert made.pin(number).encode() not in path.read_bytes()


@pytest.mark.control("KIF-ORA-12")
def test_the_record_takes_no_other_pins_than_those_of_its_cards(made: Made) -> None:
    with made.site.oracle() as oracle:
        zone, blocks = oracle.pins.blocks(made.batch)
        assert str(made.pin(1)) not in repr(blocks)
        with pytest.raises(Refused, match="has 2 dispatched cards with a PIN, not 3"):
            oracle.pins.exported(made.batch, zone, 3, "ab" * 32)
        other = type(zone)(ISSUER, "emv-ac", 1)
        with pytest.raises(Refused, match="has no PINs for the zone of"):
            oracle.pins.exported(made.batch, other, 2, "ab" * 32)
        with pytest.raises(Refused, match="not 1"):
            oracle.pins.mailed(made.batch, 1, "ab" * 32, "ab" * 32)
        oracle.supervision.close_batch(made.batch)
        assert export_pins(made.batch, oracle.pins, made.folder()).exists()


@pytest.mark.control("KIF-ORA-12")
def test_cards_without_pins_have_none_that_leave(tmp_path: Path) -> None:
    made = dispatched(make_site(tmp_path / "home"), "test-debit")
    with made.site.oracle() as oracle:
        with pytest.raises(Refused, match="has no card that was dispatched and has a PIN"):
            export_pins(made.batch, oracle.pins, made.folder())
        with pytest.raises(Refused, match="has 0 dispatched cards with a PIN"):
            oracle.pins.mailed(made.batch, 2, "ab" * 32, "ab" * 32)


def test_a_printer_has_a_certificate_that_holds_today(tmp_path: Path) -> None:
    printer, now = Printer(tmp_path), datetime.now(UTC)
    assert printer.certificate
    raw = (tmp_path / "printer.pem").read_bytes()
    with pytest.raises(BadInput, match="it is not valid today"):
        read_printer(raw, now + timedelta(days=40))
    with pytest.raises(BadInput, match="it is no certificate"):
        read_printer(b"-----BEGIN", now)
    request = ["openssl", "req", "-x509", "-newkey", "rsa:1024", "-noenc", "-subj", "/CN=WEAK"]
    files = ["-keyout", str(tmp_path / "weak-key.pem"), "-out", str(tmp_path / "weak.pem")]
    subprocess.run([*request, *files], check=True, capture_output=True)
    with pytest.raises(BadInput, match="not RSA of 2048 bits"):
        read_printer((tmp_path / "weak.pem").read_bytes(), now)


@pytest.mark.control("KIF-ORA-12")
def test_pins_leave_by_command(made: Made, tmp_path: Path) -> None:
    home, opened = made.site.home.path, operators(made.site)
    assert Printer(tmp_path).certificate
    printer = ("--printer", tmp_path / "printer.pem")
    done = kif(home, "pin", "export", "PINS", given=opened)
    path = Path(done.out.strip())
    assert (done.code, path.parent) == (0, home / "pins")
    assert len(json.loads(path.read_bytes())["cards"]) == 2
    kif(home, "batch", "close", "PINS", given=opened)
    early = kif(home, "pin", "mailers", "PINS", *printer, given=opened)
    assert early.code == 4
    assert "their PINs leave on a later day (UTC)" in early.err
    path = tmp_path / "none.pem"
    path.write_text("nothing")
    wrong = kif(home, "pin", "mailers", "PINS", "--printer", path)  # before a passphrase is asked
    assert wrong.code == 2
    assert "it is no certificate" in wrong.err


@pytest.mark.control("KIF-HSM-12")
def test_certified_keys_are_listed_as_a_reader_takes_them(made: Made, tmp_path: Path) -> None:
    home = made.site.home.path
    (row,) = kif(home, "issuer", "schemes", "--json").json()
    assert (row["key"], row["issuer"], row["bits"]) == (f"{ISSUER}/emv-issuer/1", "999999", 1408)
    scheme = shared_scheme().public
    assert (row["rid"], row["index"], row["checksum"]) == ("A000000099", "99", scheme.checksum)
    path = tmp_path / "keys.json"
    path.write_text(json.dumps([row]))
    assert read_scheme_keys(path) == {(scheme.rid, scheme.index): scheme.key}
    assert "A000000099" in kif(home, "issuer", "schemes").out
