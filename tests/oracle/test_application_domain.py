"""An application of a security domain of its own: that gets its keys, and personalises it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from kif.formats.apdu import Command, Response
from kif.formats.error import Refused
from kif.formats.keyref import KeyRef
from kif.formats.lifecycle import CardState
from kif.formats.state import JobState
from kif.oracle.local import LocalOracle
from kif.oracle.messages import JobRef
from kif.oracle.recipe import selection
from kif.preparation.lint import check_profile
from kif.preparation.product import product_files
from kif.simulator.card import Card
from kif.simulator.emv import APPLICATION_AID
from kif.simulator.kept import keep, take
from kif.simulator.keyset import KeySet
from kif.simulator.vendor import BARE_TEST_VENDOR
from tests.hsm.objects import nothing_left
from tests.oracle import blanks
from tests.oracle.blanks import verdict
from tests.oracle.test_chip import token
from tests.oracle.test_content import DOMAIN, INSTANCES, LOAD, profile
from tests.site import ISSUER, TestSite, make_site

VERSION = 0x20
OWN = f'application_domain: {{aid: "{DOMAIN.hex().upper()}", version: {VERSION}}}\n'
MORE = f"{LOAD}instances:\n{INSTANCES}{OWN}"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> TestSite:
    site = make_site(tmp_path_factory.mktemp("site") / "home")
    assert check_profile(profile(site.home.products, MORE)) == []
    with site.oracle() as oracle:
        site.load_keys(oracle, "vendor-keys", BARE_TEST_VENDOR.name)
        with pytest.raises(Refused, match="has no active AES key for application-domain"):
            released(site, oracle)
        site.load_keys(oracle, "application-domain-key", ISSUER)
    return site


released = partial(blanks.released, product="test-loaded")
blank = partial(blanks.blank, BARE_TEST_VENDOR)


def update(chip: Card, version: int) -> int:
    """Return how the domain answers INITIALIZE UPDATE with a key version."""
    chip.reset()
    assert Response.decode(chip.apdu(selection(DOMAIN))).ok
    asked = Command(0x80, 0x50, version, 0, bytes(8), 256)
    return Response.decode(chip.apdu(asked.encode())).sw


@pytest.mark.control("KIF-CHIP-04", "KIF-CHIP-08")
def test_the_application_belongs_to_a_domain_whose_keys_are_its_own(
    own: TestSite, tmp_path: Path
) -> None:
    with own.oracle() as oracle:
        batch, chip = released(own, oracle), blank()
        with nothing_left(token(oracle)):
            assert verdict(oracle, batch, chip) is JobState.GOOD
    registry = chip.registry
    (keyset,) = registry.domains[DOMAIN].sets
    assert (registry.owner(APPLICATION_AID), registry.state) == (DOMAIN, CardState.SECURED)
    assert (keyset.version, update(chip, 1), update(chip, VERSION)) == (VERSION, 0x6A88, 0x9000)
    assert not {*vars(keyset.keys).values()} & {*vars(chip.keyset.keys).values()}
    keep(chip, tmp_path / "card.json")
    again = take(tmp_path / "card.json").registry
    assert (again.domains, again.owners) == (registry.domains, {APPLICATION_AID: DOMAIN})


OPENING, COMMANDS = 3, 129
"""How many commands before any key leaves, and until the card is SECURED."""
ENDS = {3, 4, 14, 15, 18, 19, 22, 28, 29, 54, 55, 120, 124, 129, 130}
"""The ends of its sessions."""


@pytest.mark.control("KIF-CHIP-03")
@pytest.mark.parametrize(
    "at",
    [  # the usual ones have the ends of every session; the commands between are soaked
        pytest.param(at, marks=[] if at % 12 == 0 or at in ENDS else [pytest.mark.soak])
        for at in range(OPENING, COMMANDS + 2)
    ],
)
def test_power_lost_at_any_command_makes_no_good_card(own: TestSite, at: int) -> None:
    whole = JobState.GOOD if at > COMMANDS else JobState.SUSPECT
    with own.oracle() as oracle:
        batch = released(own, oracle)
        with nothing_left(token(oracle)):
            state = verdict(oracle, batch, blank(f"vanish@1:{at}"))
        assert state is (JobState.PREPARED if at <= OPENING else whole)


def suspected(oracle: LocalOracle, batch: str) -> str:
    jobs = oracle.supervision.jobs(batch)
    return next(job.reason or "" for job in jobs if job.state is JobState.SUSPECT)


@pytest.mark.control("KIF-CHIP-08")
def test_a_domain_that_does_not_take_its_keys_is_found(own: TestSite) -> None:
    with own.oracle() as oracle:
        batch = released(own, oracle)
        assert verdict(oracle, batch, blank("keeps-keys@1")) is JobState.SUSPECT
        assert "Command 2 of 8 was answered 6985" in suspected(oracle, batch.id)  # extradition


class Changed(Card):
    """A card whose domain has other keys when it is checked than it was given."""

    lost = "keys"

    def reset(self, *, contactless: bool = False) -> None:
        sets = self.registry.domains[DOMAIN].sets if DOMAIN in self.registry.domains else []
        for keyset in sets[:1] if self.application.personalised else []:
            if self.lost == "keys":
                keyset.keys = replace(keyset.keys, mac=bytes(16))
            elif self.lost == "version":
                keyset.version = 0x21
            elif self.lost == "vendor's":
                keyset.version = 1
            else:
                sets[1:] = [KeySet(self.keyset.keys, 2)]
        super().reset(contactless=contactless)


LOST = {
    "keys": "its cryptogram is not the one",
    "version": "they were answered 6A88",
    "vendor's": "The vendor's keys were answered 9000, not 6A88",
    "no others": "The application's security domain does not have the issuer's keys and no others",
}


@pytest.mark.control("KIF-CHIP-08", "KIF-QC-03")
@pytest.mark.parametrize("lost", LOST)
def test_a_domain_with_other_keys_is_found_when_the_card_is_checked(
    own: TestSite, lost: str
) -> None:
    chip = Changed(vendor=BARE_TEST_VENDOR)
    chip.lost = lost
    with own.oracle() as oracle:
        batch = released(own, oracle)
        with nothing_left(token(oracle)):
            assert verdict(oracle, batch, chip) is JobState.SUSPECT
        assert LOST[lost] in suspected(oracle, batch.id)
    assert chip.registry.state is CardState.OP_READY


def test_a_dry_run_tells_its_keys_and_the_extradition(own: TestSite) -> None:
    with own.oracle() as oracle:
        batch = released(own, oracle)
        told = [
            (line.session, line.what) for line in oracle.supervision.dry_run(JobRef(batch.id, 1))
        ]
    name, domain = APPLICATION_AID.hex().upper(), DOMAIN.hex().upper()
    key, issuers = (KeyRef(ISSUER, each, 1) for each in ("application-domain", "issuer-domain"))
    for line in (
        (2, f"PUT KEY: three keys derived from {{{key}}}"),
        (3, f"INSTALL [for extradition] of {name} to {domain}"),
        (3, f"PUT KEY: three keys derived from {{{issuers}}}"),
        (4, f"SELECT of {domain}"),
        (4, f"INITIALIZE UPDATE with key version {VERSION}"),
        (4, "INSTALL [for personalization]"),
    ):
        assert line in told


def changed(old: str, new: str) -> str:
    assert old in MORE
    return MORE.replace(old, new)


WRONG = {
    "no version": (
        changed(f", version: {VERSION}", ""),
        "application_domain.version",
        "Field required",
    ),
    "no such instance": (
        changed(OWN, OWN.replace("4601", "4602")),
        "application_domain",
        "no instance is a security domain A00000015153504B494602",
    ),
    "an instance that is none": (
        changed('privileges: "80"', 'privileges: "00"'),
        "application_domain",
        "no instance is a security domain",
    ),
    "the card's version": (
        changed(f"version: {VERSION}", "version: 0x30"),
        "application_domain",
        "need another version than the card's",
    ),
}


@pytest.mark.control("KIF-PREP-01")
@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_with_the_domain_is_told(case: str, tmp_path: Path) -> None:
    more, field, told = WRONG[case]
    findings = check_profile(profile(tmp_path, more))
    assert [each.field for each in findings if told in each.what] == [field], findings


@pytest.mark.control("KIF-PREP-01")
def test_it_goes_with_neither_selection_nor_scp02(tmp_path: Path) -> None:
    path = profile(tmp_path, MORE)
    text = path.read_text()
    path.write_text(text.replace("personalization: install", "personalization: select"))
    assert "personalised by install" in " ".join(each.what for each in check_profile(path))
    old = product_files()["test-debit"].read_text().replace("test-debit", "test-loaded")
    old = old.replace("scp03_options: 0x70", "scp02_options: 0x55\ncard_keys: VISA2")
    path.write_text(old.replace("security_level: 0x33", "security_level: 0x03") + MORE)
    assert "its keys come by SCP03" in " ".join(each.what for each in check_profile(path))
