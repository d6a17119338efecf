"""Blanks without their application: its code is loaded, and instances are made, before its keys."""

from __future__ import annotations

import hashlib
import re
from functools import partial
from pathlib import Path

import pytest

from kif.chip.personalise import personalise
from kif.formats.control import Control
from kif.formats.elements import PAYMENT_SYSTEM_ENVIRONMENT, PROXIMITY_ENVIRONMENT
from kif.formats.error import BadInput
from kif.formats.state import BatchState, JobState
from kif.oracle.messages import JobRef
from kif.preparation.lint import check_profile
from kif.preparation.product import product_files
from kif.simulator.card import DOMAIN_AID
from kif.simulator.content import (
    APPLICATION_MODULE,
    APPLICATION_PACKAGE,
    DIRECTORY_MODULE,
    DIRECTORY_PACKAGE,
    DOMAIN_MODULE,
    DOMAIN_PACKAGE,
    load_file,
)
from kif.simulator.emv import APPLICATION_AID
from kif.simulator.kept import keep, take
from kif.simulator.vendor import BARE_TEST_VENDOR
from tests.hsm.objects import nothing_left
from tests.oracle import blanks
from tests.oracle.blanks import verdict
from tests.oracle.test_chip import Wire, token
from tests.site import TestSite, claimed, make_site

CODE = load_file(APPLICATION_MODULE) + bytes(1000)
"""Long enough for several LOAD commands; what follows the modules is no data object."""
DOMAIN = bytes.fromhex("A00000015153504B494601")


def instance(package: bytes, module: bytes, aid: bytes, privileges: str = "00") -> str:
    fields = {"package": package, "module": module, "aid": aid}
    told = ", ".join(f'{name}: "{value.hex().upper()}"' for name, value in fields.items())
    return f'  - {{{told}, privileges: "{privileges}"}}\n'


INSTANCES = "".join(
    (
        instance(DOMAIN_PACKAGE, DOMAIN_MODULE, DOMAIN, "80"),
        instance(APPLICATION_PACKAGE, APPLICATION_MODULE, APPLICATION_AID, "000000"),
        *(
            instance(DIRECTORY_PACKAGE, DIRECTORY_MODULE, name)
            for name in (PAYMENT_SYSTEM_ENVIRONMENT, PROXIMITY_ENVIRONMENT)
        ),
    )
)
LOAD = (
    f'load: {{package: "{APPLICATION_PACKAGE.hex().upper()}", file: applet.lfdb, '
    f'sha256: "{hashlib.sha256(CODE).hexdigest()}"}}\n'
)


def profile(folder: Path, more: str = f"{LOAD}instances:\n{INSTANCES}") -> Path:
    """Write test-credit for blanks without an application, and its load file."""
    text = product_files()["test-credit"].read_text().replace("test-credit", "test-loaded")
    folder.mkdir(exist_ok=True)
    path = folder / "test-loaded.yaml"
    path.write_text(text.replace("vendor: test-vendor ", "vendor: bare-test-vendor ") + more)
    (folder / "applet.lfdb").write_bytes(CODE)
    return path


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> TestSite:
    site = make_site(tmp_path_factory.mktemp("site") / "home")
    assert check_profile(profile(site.home.products)) == []
    with site.oracle() as oracle:
        site.load_keys(oracle, "vendor-keys", BARE_TEST_VENDOR.name)
    return site


released = partial(blanks.released, product="test-loaded")
blank = partial(blanks.blank, BARE_TEST_VENDOR)


@pytest.mark.control("KIF-CHIP-04")
def test_a_blank_gets_its_code_its_instances_and_then_its_keys(
    own: TestSite, tmp_path: Path
) -> None:
    with own.oracle() as oracle:
        batch, chip = released(own, oracle), blank()
        assert chip.registry.applications == []
        with nothing_left(token(oracle)):
            assert verdict(oracle, batch, chip) is JobState.GOOD
    made = [DOMAIN, APPLICATION_AID, PAYMENT_SYSTEM_ENVIRONMENT, PROXIMITY_ENVIRONMENT]
    assert chip.registry.applications == made
    assert [*chip.registry.domains] == [DOMAIN_AID, DOMAIN]
    assert not chip.registry.domains[DOMAIN]
    assert chip.registry.code.packages[APPLICATION_PACKAGE] == [APPLICATION_MODULE]
    keep(chip, tmp_path / "card.json")
    again = take(tmp_path / "card.json")
    assert again.registry.code.packages == chip.registry.code.packages
    assert (again.registry.applications, again.registry.domains) == (made, chip.registry.domains)


LENGTH = 52
"""How many commands until it is personalised."""


@pytest.mark.control("KIF-CHIP-03")
@pytest.mark.parametrize("at", range(2, LENGTH + 1, 5))
def test_power_lost_while_it_gets_them_makes_no_good_card(own: TestSite, at: int) -> None:
    with own.oracle() as oracle:
        batch = released(own, oracle)
        with nothing_left(token(oracle)):
            state = verdict(oracle, batch, blank(f"vanish@1:{at}"))
        assert state is (JobState.PREPARED if at <= 3 else JobState.SUSPECT)


def test_a_dry_run_tells_the_code_by_its_hash(own: TestSite) -> None:
    with own.oracle() as oracle:
        batch = released(own, oracle)
        told = [line.what for line in oracle.supervision.dry_run(JobRef(batch.id, 1))]
    digest = hashlib.sha256(CODE).hexdigest()
    loads = [each for each in told if each == f"LOAD of A0000000999900, SHA-256 {digest}"]
    assert len(loads) == -(-len(CODE) // 231)
    assert "INSTALL [for load] of A0000000999900" in told
    name = APPLICATION_AID.hex().upper()
    assert f"INSTALL [for install and make selectable] of {name}" in told


@pytest.mark.control("KIF-PREP-01")
def test_without_its_load_file_or_with_another_nothing_is_prepared(own: TestSite) -> None:
    path = own.home.products / "applet.lfdb"
    with own.oracle() as oracle:
        for content, told in ((CODE + b"x", "is another one: its SHA-256 is"), (None, "can't be")):
            path.unlink()
            if content is not None:
                path.write_bytes(content)
            with pytest.raises(BadInput, match=told) as caught:
                released(own, oracle)
            assert caught.value.control is Control.PRODUCT
        path.write_bytes(CODE)


@pytest.mark.control("KIF-PREP-01")
def test_a_load_file_that_is_gone_when_cards_are_made_stops_the_line(own: TestSite) -> None:
    path = own.home.products / "applet.lfdb"
    with own.oracle() as oracle:
        batch = released(own, oracle)
        path.unlink()
        with pytest.raises(BadInput, match=r"No load file in .* has the SHA-256"):
            personalise(claimed(oracle, batch.id), Wire(blank()), oracle.chip)
        path.write_bytes(CODE)
        assert oracle.supervision.batch(batch.id).jobs[JobState.PREPARED] >= 1


WRONG = {
    "the application is not among them": (
        f"instances:\n{instance(DOMAIN_PACKAGE, DOMAIN_MODULE, DOMAIN, '80')}",
        "instances",
        "none is the application A0000000999999",
    ),
    "twice": (f"instances:\n{INSTANCES}{INSTANCES}", "instances", "an instance is made twice"),
    "a short name": (
        f"instances:\n{INSTANCES}{instance(DOMAIN_PACKAGE, DOMAIN_MODULE, bytes(2))}",
        "instances",
        "has 5 to 16 bytes, not 2",
    ),
    "code for nothing": (
        f"{LOAD}instances:\n{INSTANCES}".replace(
            '{package: "A0000000999900", file', '{package: "A000000001", file'
        ),
        "load",
        "no instance is made of the code",
    ),
}


@pytest.mark.control("KIF-PREP-01")
@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_with_the_content_is_told(case: str, tmp_path: Path) -> None:
    more, field, told = WRONG[case]
    findings = check_profile(profile(tmp_path, more))
    assert [each.field for each in findings if told in each.what] == [field], findings


@pytest.mark.control("KIF-PREP-01")
def test_nothing_is_prepared_by_a_profile_that_is_not_right(own: TestSite) -> None:
    path = product_files(own.home.products)["test-loaded"]
    right = path.read_text()
    path.write_text(re.sub("(?m)^usage_control: .*$", 'usage_control: "0000"', right))
    with own.oracle() as oracle:
        before = {each.id for each in oracle.supervision.batches()}
        with pytest.raises(BadInput, match="test-loaded is not right: usage_control: the card can"):
            released(own, oracle)
        path.write_text(right)
        (batch,) = (each for each in oracle.supervision.batches() if each.id not in before)
    assert (batch.state, batch.jobs) == (BatchState.RECEIVED, {JobState.RECEIVED: batch.count})
