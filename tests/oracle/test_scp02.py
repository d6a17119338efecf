"""Older cards, which speak SCP02: their keys, life cycle, and what is clear on a plain token."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest

from kif.chip.personalise import personalise
from kif.formats import scp02
from kif.formats.apdu import Command, Response
from kif.formats.error import BadInput, Refused
from kif.formats.keyref import KeyRef
from kif.formats.lifecycle import CardState
from kif.formats.state import JobState
from kif.ledger.events.batch import BatchPrepared
from kif.oracle.messages import JobRef
from kif.preparation import prepare
from kif.preparation.lint import check_profile
from kif.preparation.product import product_files
from kif.simulator.card import Card
from kif.simulator.kept import keep, take
from kif.simulator.securechannel02 import CardChannel02
from kif.simulator.vendor import OLD_TEST_VENDOR
from tests.hsm.objects import nothing_left
from tests.oracle import blanks
from tests.oracle.blanks import verdict
from tests.oracle.test_chip import Wire, entries, token
from tests.oracle.test_pin import reference
from tests.site import ISSUER, TestSite, claimed, make_site

FIELDS = {
    "vendor": "old-test-vendor",
    "scp03_options": "",
    "security_level": "0x03",
    "aip": '"5C00"',
    "card_key_bits": "",
    "key_generation": "",
    "ddol": "",
    "cvm_list": "000000000000000041031E031F03",
    "permits": "[pin-on-host, pin-check, pin-mailer, scp02-on-host]",
}
MORE = "scp02_options: 0x55\ncard_keys: EMV\nstore_data: plain\ninternal_data: {'3000': '0102'}\n"


def text(**changes: str) -> str:
    """Return test-credit for older cards: they make no pair, and are read over contacts alone."""
    found = product_files()["test-credit"].read_text().replace("test-credit", "test-old")
    found = re.sub(r"(?m)^contactless:.*\n(  .*\n)+", "", found)
    for field, value in (FIELDS | changes).items():
        line = f"{field}: {value}\n" if value else ""
        found, count = re.subn(f"(?m)^{field}:.*\n", line, found)
        assert count == 1, field
    return found + MORE


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> TestSite:
    site = make_site(tmp_path_factory.mktemp("site") / "home")
    site.home.products.mkdir()
    path = site.home.products / "test-old.yaml"
    path.write_text(text())
    assert check_profile(path) == []
    with site.oracle() as oracle:
        site.load_keys(oracle, "vendor-keys-scp02", OLD_TEST_VENDOR.name)
        site.load_keys(oracle, "issuer-domain-key-scp02", ISSUER)
    return site


released = partial(blanks.released, product="test-old")
blank = partial(blanks.blank, OLD_TEST_VENDOR)


@pytest.mark.control("KIF-HSM-04", "KIF-CHIP-08")
def test_an_old_card_is_good_and_its_entries_say_what_was_clear(
    own: TestSite, tmp_path: Path
) -> None:
    with own.oracle() as oracle:
        batch, chip = released(own, oracle), blank()
        with nothing_left(token(oracle)):
            assert verdict(oracle, batch, chip) is JobState.GOOD
        told = {entry.event.kind: entry.boundary.value for entry in entries(oracle, batch)}
        (prepared,) = (
            each.event for each in entries(oracle, batch) if isinstance(each.event, BatchPrepared)
        )
    assert told["injection-authorised"] == "host"
    assert (chip.keyset.version, chip.registry.state) == (0x30, CardState.SECURED)
    assert reference(chip).limit == 3
    assert chip.application.stored.groups[0x3000] == b"\x01\x02"
    used = {KeyRef(ISSUER, "issuer-domain", 2), KeyRef(OLD_TEST_VENDOR.name, "card-manager", 1)}
    assert set(prepared.keys) >= used
    keep(chip, tmp_path / "card.json")
    again = take(tmp_path / "card.json")
    assert (again.keyset.keys, again.keyset.sequence) == (chip.keyset.keys, chip.keyset.sequence)


@pytest.mark.control("KIF-CHIP-03")
@pytest.mark.parametrize("at", [*range(1, 6), 9, 13, 17, 21, 22, 23, 24])
def test_power_lost_while_it_is_personalised_makes_no_good_card(own: TestSite, at: int) -> None:
    with own.oracle() as oracle:
        batch = released(own, oracle)
        assert verdict(oracle, batch, blank()) is JobState.GOOD
        with nothing_left(token(oracle)):
            state = verdict(oracle, batch, blank(f"vanish@1:{at}"))
        assert state is (JobState.PREPARED if at <= 3 else JobState.SUSPECT)


FAULTS = {
    "wrong-cryptogram@1": JobState.PREPARED,
    "wrong-arqc@1": JobState.SUSPECT,
    "keeps-keys@1": JobState.SUSPECT,
    "stays-open@1": JobState.SUSPECT,
    "refuse@1:9": JobState.SUSPECT,
}


@pytest.mark.control("KIF-CHIP-02", "KIF-CHIP-08", "KIF-QC-03")
@pytest.mark.parametrize("fault", FAULTS)
def test_an_old_card_that_lies_is_not_good(own: TestSite, fault: str) -> None:
    with own.oracle() as oracle:
        batch = released(own, oracle)
        with nothing_left(token(oracle)):
            assert verdict(oracle, batch, blank(fault)) is FAULTS[fault]


@pytest.mark.control("KIF-CHIP-02")
def test_a_challenge_that_is_not_made_over_the_domain_is_refused(own: TestSite) -> None:
    with own.oracle() as oracle:
        batch, chip = released(own, oracle), blank()
        real = chip.apdu

        def random_challenge(raw: bytes) -> bytes:
            if raw[1] != 0x50:
                return real(raw)
            sequence = chip.keyset.sequence.to_bytes(2, "big")
            asked = (Command.decode(raw).data, sequence, chip._selected)
            made = CardChannel02(chip.keyset.keys, *asked, scp02.Options(0x15))
            head = chip.serial + bytes((chip.keyset.version, 2)) + made.challenge
            return Response(head + made.card_cryptogram, 0x9000).encode()

        chip.apdu = random_challenge  # type: ignore[method-assign]
        done = personalise(claimed(oracle, batch.id), Wire(chip), oracle.chip)
    assert "challenge is not made over its domain" in (done.rejected or "")


@pytest.mark.control("KIF-CHIP-07")
def test_a_card_that_speaks_scp03_is_none_of_them(own: TestSite) -> None:
    with own.oracle() as oracle:
        batch = released(own, oracle)
        done = personalise(claimed(oracle, batch.id), Wire(Card()), oracle.chip)
    assert "SCP02 gives 28, with 02 as protocol" in (done.rejected or "")


def test_a_dry_run_counts_the_commands_of_the_card(own: TestSite) -> None:
    with own.oracle() as oracle:
        batch, chip = released(own, oracle), blank()
        told = oracle.supervision.dry_run(JobRef(batch.id, 1))
        sent: list[bytes] = []
        real = chip.apdu

        def counting(raw: bytes) -> bytes:
            sent.append(raw)
            return real(raw)

        chip.apdu = counting  # type: ignore[method-assign]
        personalise(claimed(oracle, batch.id), Wire(chip), oracle.chip)
    dry = [bytes.fromhex(each.command) for each in told]
    assert [_plain(raw[:4]) for raw in sent] == [_plain(raw) for raw in dry]


def _plain(header: bytes) -> bytes:
    """Return a header without the bit that says that there is a MAC."""
    return bytes((header[0] & ~0x04,)) + header[1:]


@pytest.mark.control("KIF-HSM-04")
def test_without_its_permission_no_key_goes_to_an_old_card(
    own: TestSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = own.home.products / "test-old.yaml"
    path.write_text(text(permits="[pin-on-host, pin-check, pin-mailer]"))
    try:
        with own.oracle() as oracle:
            with pytest.raises(BadInput, match="without scp02-on-host no key goes"):
                released(own, oracle)
            monkeypatch.setattr(prepare, "require_right", lambda _: None)
            batch = released(own, oracle)
            with nothing_left(token(oracle)), pytest.raises(Refused, match="scp02-on-host"):
                personalise(claimed(oracle, batch.id), Wire(blank()), oracle.chip)
    finally:
        path.write_text(text())


@pytest.mark.control("KIF-HSM-05")
def test_a_product_of_another_cipher_gets_no_key_of_this_one(tmp_path: Path) -> None:
    site = make_site(tmp_path / "home")
    site.home.products.mkdir()
    (site.home.products / "test-old.yaml").write_text(text())
    with site.oracle() as oracle:
        site.load_keys(oracle, "vendor-keys-scp02", OLD_TEST_VENDOR.name)
        with pytest.raises(Refused, match="has no active TDEA key for issuer-domain"):
            released(site, oracle)


WRONG = {
    "a level with R-MAC": ("security_level: 0x03", "security_level: 0x13", "is not one of scp02"),
    "no permission": (", scp02-on-host", "", "without scp02-on-host no key goes to a card"),
    "no protocol": ("scp02_options: 0x55\n", "", "name scp03_options or scp02_options"),
    "keys by KDF3": ("card_keys: EMV\n", "", "card_keys are by KDF3 with SCP03"),
    "an implicit channel": ("0x55", "0x0A", "is not one of scp02 with i = 0A"),
    "a grouping of CPS's own": ("'3000'", "'7FFF'", "7FFF is no grouping of the card's own data"),
    "a grouping that is none": ("'3000'", "'8000'", "String should match pattern"),
}


@pytest.mark.control("KIF-PREP-01")
@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_with_an_old_profile_is_told(case: str, tmp_path: Path) -> None:
    old, new, told = WRONG[case]
    path = tmp_path / "test-old.yaml"
    assert old in text()
    path.write_text(text().replace(old, new))
    assert any(told in each.what for each in check_profile(path)), check_profile(path)


@pytest.mark.control("KIF-CHIP-04")
def test_a_card_that_wants_no_word_on_the_structure_refuses_one(own: TestSite) -> None:
    path = own.home.products / "test-old.yaml"
    path.write_text(text().replace("store_data: plain", "store_data: dgi"))
    try:
        with own.oracle() as oracle:
            view = personalise(
                claimed(oracle, released(own, oracle).id), Wire(blank()), oracle.chip
            ).view
        assert "was answered 6A86, not 9000" in (view.reason or "")
    finally:
        path.write_text(text())


@pytest.mark.control("KIF-FMT-01")
@pytest.mark.parametrize("raw", [b"", bytes(28), bytes(29), bytes(11) + b"\x02" + bytes(15)])
def test_an_answer_of_another_protocol_is_refused(raw: bytes) -> None:
    with pytest.raises(BadInput, match="SCP02 gives 28"):
        scp02.InitializeUpdateResponse.decode(raw)
