"""From an issuer's record to a script: what is in it, and in which order."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import pytest
import yaml
from pydantic import ValidationError

from kif.formats import canonical
from kif.formats.control import Control
from kif.formats.error import BadInput, CheckFailed
from kif.formats.issuercertificate import IssuerCertificate
from kif.formats.keyref import KeyRef
from kif.formats.script import Artwork, Script
from kif.formats.secret import Secret
from kif.formats.state import BatchState, JobState
from kif.formats.tlv import find, read_all
from kif.formats.track2 import Track2
from kif.oracle.messages import Account, BatchView, CardTerms, CardValues, JobRef, JobView, PinTerms
from kif.preparation import product as product_module
from kif.preparation.prepare import prepare_batch
from kif.preparation.product import Product, load_product
from kif.preparation.script import build_script

RECORD = {
    "pan": "9999990000000014",
    "psn": "01",
    "expiry": "2028-02",
    "name": "TEST/CARDHOLDER AA",
    "service_code": "201",
    "discretionary_data": "12345",
}

PURPOSES = ("emv-ac", "emv-smi", "emv-smc")
KEYS = {purpose: KeyRef("bank", purpose, 2) for purpose in PURPOSES}
KEYS["card-manager"] = KeyRef("vendor", "card-manager", 1)
KEYS["issuer-domain"] = KeyRef("bank", "issuer-domain", 1)


def script(**changes: str) -> Script:
    record = Secret(canonical.encode(RECORD | changes))
    return build_script(load_product("test-debit"), KEYS, record)


SCRIPT_SECRET = script().encode()


def data(made: Script, dgi: str) -> bytes:
    (group,) = (group for group in made.groups if group.dgi == dgi)
    return bytes.fromhex(group.data or "")


def test_the_keys_come_before_what_is_checked_with_them() -> None:
    made = script()
    assert [group.dgi for group in made.groups] == [
        *("8000", "9000", "9200", "9104", "9102"),
        *("0101", "0201", "0202"),
    ]
    names = ("bank/emv-ac/2", "bank/emv-smi/2", "bank/emv-smc/2")
    assert made.groups[0].keys == made.groups[1].check_values == names
    assert made.named_keys() == frozenset(KEYS.values())


def test_the_directory_names_the_application() -> None:
    """EMV Book 1, tables 45 to 47: file 1, whose record has an entry with name and label."""
    (fci, record) = script().directory
    assert (fci.dgi, fci.data, record.dgi) == ("9102", "880101", "0101")
    entry = find(bytes.fromhex(record.data or ""), 0x61) or b""
    assert [(each.tag, each.value) for each in read_all(entry)] == [
        (0x4F, bytes.fromhex("A0000000999999")),
        (0x50, b"TEST DEBIT"),
        (0x87, b"\x01"),
    ]


def test_the_records_hold_the_card() -> None:
    made = script()
    assert Track2.decode(find(data(made, "0101"), 0x57) or b"") == Track2(
        RECORD["pan"], "2802", "201", "12345"
    )
    account = data(made, "0201")
    assert (find(account, 0x5A) or b"").hex() == RECORD["pan"]
    assert (find(account, 0x5F24) or b"").hex() == "280229"  # a leap year
    assert find(account, 0x5F34) == b"\x01"
    assert (find(account, 0x5F30) or b"").hex() == "0201"


@pytest.mark.parametrize("pan", ["999999000000001", "9999990000000014007"])
def test_an_odd_pan_is_padded(pan: str) -> None:
    assert (find(data(script(pan=pan), "0201"), 0x5A) or b"").hex() == pan + "f"


def test_the_file_locator_lists_exactly_the_records() -> None:
    made = script()
    afl = find(data(made, "9104"), 0x94) or b""
    listed = {
        f"{afl[at] >> 3:02X}{number:02X}"
        for at in range(0, len(afl), 4)
        for number in range(afl[at + 1], afl[at + 2] + 1)
    }
    assert listed == {group.dgi for group in made.groups if group.dgi < "1F00"}
    for dgi in listed:
        (template,) = read_all(data(made, dgi))
        assert template.tag == 0x70
        assert template.children()


def test_the_front_has_the_number_in_groups_and_the_name_as_spoken() -> None:
    artwork = script().artwork
    assert (artwork["number"], artwork["valid_thru"]) == ("9999 9900 0000 0014", "02/28")
    assert artwork["name"] == "CARDHOLDER AA TEST"


def named(name: str, **profile: str) -> tuple[bytes, str]:
    """Return tag 5F20 and what is printed, of a card of a profile that differs in this."""
    product = load_product("test-debit").model_copy(update=profile)
    made = build_script(product, KEYS, Secret(canonical.encode(RECORD | {"name": name})))
    return find(data(made, "0101"), 0x5F20) or b"", made.artwork["name"]


def test_a_name_keeps_its_marks_where_its_profile_says_so() -> None:
    name = "MÜLLER/ANA.DR"
    assert named(name) == (b"MUELLER/ANA.DR", "DR ANA MÜLLER")
    assert named(name, printed_name="common")[1] == "DR ANA MUELLER"
    assert named(name, chip_name="iso-8859-1")[0] == "MÜLLER/ANA.DR".encode("latin-1")
    assert named("ŁĄCKI/Ż", chip_name="iso-8859-1") == (b"LACKI/Z", "Ż ŁĄCKI")


@pytest.mark.control("KIF-PREP-01")
@pytest.mark.parametrize(
    ("name", "told"), [("ÜÜ" * 7, "has 28 characters"), ("ŊƐ/A", "a letter that there is no rule")]
)
def test_a_name_that_the_chip_cannot_hold_is_refused(name: str, told: str) -> None:
    with pytest.raises(BadInput, match=told) as refused:
        named(name)
    assert name not in str(refused.value)


def test_a_script_comes_back_and_shows_nothing() -> None:
    made = script()
    assert Script.decode(made.encode()) == made
    assert RECORD["pan"] not in repr(made)


@pytest.mark.control("KIF-PREP-01")
def test_an_unknown_product_names_the_known_ones() -> None:
    with pytest.raises(BadInput, match="there are: test-credit, test-debit, test-prepaid"):
        load_product("gold")


STRICT: list[dict[str, str | int | None]] = [
    {"extra": "1"},
    {"aip": None},
    {"cdol1": "xx"},
    {"security_level": 0x02},
    {"domain_version": 1},  # the vendor's
    {"life_cycle": "SECURED"},
    {"name": "debit", "security_level": 0x03},  # only a test may do without R-MAC
]


@pytest.mark.control("KIF-PREP-01")
@pytest.mark.parametrize("change", STRICT)
def test_a_profile_is_strict(change: dict[str, str | int | None]) -> None:
    raw = yaml.safe_load((product_module._FOLDER / "test-debit.yaml").read_text()) | change
    fields = {name: value for name, value in raw.items() if value is not None}
    with pytest.raises(ValidationError):
        Product.model_validate(fields)


def test_a_test_may_do_without_response_macs_and_a_product_with_them() -> None:
    raw = yaml.safe_load((product_module._FOLDER / "test-debit.yaml").read_text())
    assert Product.model_validate(raw | {"security_level": 0x03}).security_level == 0x03
    assert Product.model_validate(raw | {"name": "debit"}).security_level == 0x33


def test_the_terminal_is_asked_for_what_the_profile_says() -> None:
    made = build_script(load_product("test-prepaid"), KEYS, Secret(canonical.encode(RECORD)))
    assert find(data(made, "9102"), 0x9F38) == bytes.fromhex("9F1A02")
    assert find(data(script(), "9102"), 0x9F38) is None


class Desk:
    """Preparation's desk with two cards; it keeps what it is given."""

    def __init__(self, product: str = "test-debit") -> None:
        self.product = product
        self.saved: dict[JobRef, Secret] = {}
        self.profile = ""
        self.name = str(RECORD["name"])
        self.lost: list[JobRef] = []

    def batch(self, batch: str) -> BatchView:
        return BatchView(batch, "i", "r", self.product, 2, BatchState.RECEIVED, (), {})

    def jobs(self, batch: str) -> Sequence[JobView]:
        return [
            JobView(JobRef(batch, number), batch, number, "9", "p", JobState.RECEIVED, None, None)
            for number in (1, 2)
        ]

    def record(self, job: JobRef) -> Secret:
        if job in self.lost:
            raise CheckFailed(Control.DATA_AT_REST, "It does not open.")
        return Secret(canonical.encode(RECORD | {"psn": f"{job.number:02}", "name": self.name}))

    def suspect(self, job: JobRef, control: Control, sentence: str) -> JobView:
        number = job.number
        return JobView(job, job.batch, number, "9", "p", JobState.SUSPECT, None, sentence)

    def resolve(
        self,
        batch: str,
        wanted: Mapping[str, str],
        chosen: Sequence[KeyRef] = (),
        ciphers: Mapping[str, str] | None = None,
    ) -> Mapping[str, KeyRef]:
        issuers = dict.fromkeys(("issuer-domain", *PURPOSES), "")
        assert wanted == {"card-manager": "test-vendor", **issuers}
        return KEYS

    def card_values(
        self, job: JobRef, account: Account, key: KeyRef, terms: CardTerms
    ) -> CardValues:
        raise AssertionError(job)

    def make_pin(self, job: JobRef, account: Account, terms: PinTerms) -> tuple[str, str]:
        raise AssertionError(job)

    def certificate(self, key: KeyRef) -> IssuerCertificate:
        raise AssertionError(key)

    def save_scripts(
        self,
        batch: str,
        profile: str,
        keys: Sequence[KeyRef],
        scripts: Iterable[tuple[JobRef, Secret]],
    ) -> BatchView:
        self.saved, self.profile = dict(scripts), profile
        assert set(keys) == set(KEYS.values())
        return self.batch(batch)


def fits(artwork: Artwork) -> None:
    if "TOO LONG" in artwork["name"]:
        raise BadInput(Control.PRODUCT, "The name does not fit the card.")


@pytest.mark.control("KIF-PREP-01")
def test_a_card_that_has_no_room_for_its_print_stops_its_batch() -> None:
    desk = Desk()
    desk.name = "TOO LONG/A NAME"
    with pytest.raises(BadInput, match=r"^Card 1: The name does not fit .* Nothing was prep"):
        prepare_batch("b", desk, fits, lambda: None)
    assert not desk.saved


def test_a_whole_batch_is_saved_at_once() -> None:
    desk, done = Desk(), []
    prepare_batch("b", desk, fits, lambda: done.append(len(desk.saved)))
    assert done == [0, 0]
    assert {Script.decode(each).diversification[14:16] for each in desk.saved.values()} == {
        "01",
        "02",
    }
    raw = (product_module._FOLDER / "test-debit.yaml").read_bytes()
    assert desk.profile == hashlib.sha256(raw).hexdigest()


@pytest.mark.control("KIF-ORA-07")
def test_a_record_that_does_not_open_does_not_block_its_batch() -> None:
    desk = Desk()
    desk.lost = [JobRef("b", 1)]
    prepare_batch("b", desk, fits, lambda: None)
    assert list(desk.saved) == [JobRef("b", 2)]


def test_nothing_is_saved_of_a_product_without_profile() -> None:
    desk = Desk("gold")
    with pytest.raises(BadInput):
        prepare_batch("b", desk, fits, lambda: None)
    assert not desk.saved
