"""Products of a site's own that authenticate offline in other ways, on blanks of two vendors."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import pytest

from kif.chip.personalise import personalise
from kif.formats.state import JobState
from kif.graphics.front import require_fit
from kif.oracle.local import LocalOracle
from kif.preparation.lint import check_profile
from kif.preparation.prepare import prepare_batch
from kif.preparation.product import product_files
from kif.quality.chip import check_chip
from kif.simulator.card import Card
from kif.simulator.vendor import OTHER_TEST_VENDOR, TEST_VENDOR, VENDORS
from tests.hsm.objects import nothing_left
from tests.oracle.test_chip import Wire, antenna
from tests.site import OPERATORS, TestSite, claimed, received_file

DIRECT = {
    "vendor": OTHER_TEST_VENDOR.name,
    "personalization": "select",
    "largest_command": "1024",
    "chip": '"4B494654000260010200"',
}
NO_PAIR = {"card_key_bits": "", "key_generation": "", "ddol": "", "  aip": '"1880"'}
NO_PAIR["cvm_list"] = "000000000000000041031E031F03"
VARIANTS: dict[str, tuple[dict[str, str], set[str]]] = {
    "static data alone": ({"aip": '"5C00"', **NO_PAIR}, {"static data"}),
    "a signature alone": (
        {"aip": '"3C00"', "data_authentication_code": ""},
        {"card certificate", "dynamic signature"},
    ),
    "with its cryptogram alone": (
        {"aip": '"1D00"', "data_authentication_code": "", "card_key_bits": "1024"},
        {"card certificate"},
    ),
    "a key as long as the issuer's": (
        {"card_key_bits": "1408", "ddol": "9F37049F0206"},
        {"static data", "card certificate", "dynamic signature"},
    ),
    "a PIN that is verified by its offset": (
        {
            "pin_verification_index": "",
            "discretionary_data": "[pin-value, card-value]",
            "pin_length": "6\npin_decimalisation: '0123456789012345'\npin_validation: 3+11F",
        },
        {"static data", "card certificate", "dynamic signature"},
    ),
    "selected itself": (DIRECT, {"static data", "card certificate", "dynamic signature"}),
    "selected itself, in short commands": (
        DIRECT | {"largest_command": "255", "security_level": "0x13"},
        {"static data", "card certificate", "dynamic signature"},
    ),
}


@pytest.fixture(scope="module")
def oracle(site: TestSite, oracle: LocalOracle) -> LocalOracle:
    """The site's oracle, with the keys of the other vendor too."""
    site.load_keys(oracle, "vendor-keys", OTHER_TEST_VENDOR.name)
    return oracle


def profile(folder: Path, changes: dict[str, str]) -> Path:
    """Write test-credit with fields changed, or left out where there is nothing in their place."""
    text = product_files()["test-credit"].read_text().replace("test-credit", "test-variant")
    for field, value in changes.items():
        line = f"{field}: {value}\n" if value else ""
        text, count = re.subn(f"(?m)^{field}:.*\n", line, text)
        assert count == 1
    path = folder / "test-variant.yaml"
    path.write_text(text)
    return path


@pytest.mark.control("KIF-QC-04", "KIF-PREP-01")
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_card_of_another_profile_is_good_by_what_its_profile_says(
    site: TestSite, oracle: LocalOracle, variant: str, tmp_path: Path
) -> None:
    changes, expected = VARIANTS[variant]
    assert check_profile(profile(tmp_path, changes)) == []
    number = len(oracle.supervision.batches())
    file = received_file(f"V-{number}", 1, number * 100 + 1, "test-variant")
    batch = oracle.gateway.admit(file, again=True).id
    prepare_batch(batch, oracle.preparation, require_fit, lambda: None, products=tmp_path)
    for person in OPERATORS:
        site.approve(oracle, batch, person)
    chip = Card(vendor=VENDORS[changes.get("vendor", TEST_VENDOR.name)])
    oracle.gateway.desk.pin_storage(batch)
    with nothing_left(oracle.gateway.desk.keys.token):
        job = personalise(claimed(oracle, batch), Wire(chip), oracle.chip).view
        assert job.state is JobState.PERSONALISED, job.reason
        oracle.graphics.printed(job.id)
        job = check_chip(job.id, Wire(chip), oracle.quality, secrets.token_bytes, antenna(chip))
    assert job.state is JobState.GOOD, job.reason
    with oracle.gateway.desk.record.reading() as (_, tx):
        last = list(tx.ledger.leaves())[-1].decode()
    told = {"static data", "card certificate", "dynamic signature"}
    assert {each for each in told if f'"{each}"' in last} == expected
