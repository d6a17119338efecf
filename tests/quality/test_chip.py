"""Quality control: a good chip passes, and every single difference is found."""

from collections.abc import Callable, Sequence

import pytest

from kif.formats.apdu import Command, Response
from kif.formats.control import Control
from kif.formats.elements import PAYMENT_SYSTEM_ENVIRONMENT
from kif.formats.error import CheckFailed, DeviceFailed
from kif.formats.issuercertificate import SchemeKey
from kif.formats.link import CardLink
from kif.formats.script import Script
from kif.formats.secret import Secret
from kif.formats.state import JobState
from kif.formats.tlv import find, tlv
from kif.oracle.messages import CardKey, JobRef, JobView
from kif.quality.chip import CHECKS, check_chip
from tests.preparation.test_preparation import RECORD, data, script

SCRIPT = script()
IAD = find(data(SCRIPT, "9200"), 0x9F10) or b""
AIP, AFL = (find(data(SCRIPT, "9104"), tag) or b"" for tag in (0x82, 0x94))
ENTRY = bytes.fromhex(SCRIPT.directory[1].data or "")
Answer = Callable[[Command], Response]
RESPONSE = b"responds"
"""The issuer's, as the oracle gives it."""
DOMAIN = [b"domain", b"update", b"auth", b"secured"]
"""What is relayed in the last session; a card answers with the same bytes."""


class Chip(CardLink):
    """A chip as the script makes it; ``changed`` replaces its answers by instruction or record."""

    def __init__(self, changed: dict[str, Response] | None = None, gone: int = 99) -> None:
        self.changed = changed or {}
        self.gone = gone
        self.asked: list[str] = []
        self.given: dict[str, bytes] = {}

    def transmit(self, raw: bytes) -> bytes:
        if len(self.asked) == self.gone:
            raise DeviceFailed(Control.CARD_PRESENT, "The card is gone.")
        if raw in DOMAIN:
            self.asked.append(raw.decode())
            return self.changed.get(raw.decode(), Response(raw, 0x9000)).encode()
        command = Command.decode(raw)
        name = {0xA4: "select", 0xA8: "options", 0x82: "response"}.get(
            command.ins, f"{command.p2 >> 3:02X}{command.p1:02X}"
        )
        if PAYMENT_SYSTEM_ENVIRONMENT in command.data:
            name = "directory"
        elif self.asked[-1:] == ["directory"]:
            name = "entry"
        if command.ins == 0xAE:
            name = {0x80: "ac", 0x40: "tc"}[command.p1]
        self.given[name] = command.data
        self.asked.append(name)
        return self.changed.get(name, self.answer(name)).encode()

    def answer(self, name: str) -> Response:
        if name == "select":
            return selected()
        if name == "directory":
            return Response(tlv(0x6F, tlv(0xA5, tlv(0x88, b"\x01"))), 0x9000)
        if name == "entry":
            return Response(ENTRY, 0x9000)
        if name == "options":
            return Response(tlv(0x77, data(SCRIPT, "9104")), 0x9000)
        if name == "response":
            return Response(b"", 0x9000)
        if name in ("ac", "tc"):
            return cryptogram(0x80 if name == "ac" else 0x40)
        return Response(data(SCRIPT, name), 0x9000)


def selected(label: bytes = data(SCRIPT, "9102"), name: str = SCRIPT.application) -> Response:
    return Response(tlv(0x6F, tlv(0x84, bytes.fromhex(name)) + tlv(0xA5, label)), 0x9000)


def cryptogram(cid: int = 0x80, iad: bytes = IAD, arqc: bytes = bytes(8)) -> Response:
    fields = tlv(0x9F27, bytes((cid,))) + tlv(0x9F36, b"\x00\x01") + tlv(0x9F26, arqc)
    return Response(tlv(0x77, fields + tlv(0x9F10, iad)), 0x9000)


class Desk:
    """Quality's desk."""

    def __init__(self, failing: Exception | None = None, *, refused_tc: bool = False) -> None:
        self.failing, self.refused_tc = failing, refused_tc
        self.verified: list[bytes] = []
        self.told: list[object] = []

    def script(self, job: JobRef) -> Secret:
        return SCRIPT.encode()

    def check_pin(self, job: JobRef) -> tuple[bytes, bytes]:
        raise AssertionError(job)

    def scheme_key(self, job: JobRef) -> SchemeKey:
        raise AssertionError(job)

    def verify_arqc(self, job: JobRef, atc: bytes, data: bytes, arqc: bytes) -> None:
        self.verified.append(data)
        if self.failing:
            raise self.failing

    def encipher_pin(self, job: JobRef, card: CardKey, number: bytes, *, right: bool) -> bytes:
        raise AssertionError(job)

    def verify_contactless(self, job: JobRef, atc: bytes, data: bytes, arqc: bytes) -> None:
        raise AssertionError(job)

    def answer_arqc(self, job: JobRef) -> bytes:
        return RESPONSE

    def verify_tc(self, job: JobRef, data: bytes, tc: bytes) -> None:
        self.verified.append(data)
        if self.refused_tc:
            raise CheckFailed(Control.CHIP_CRYPTOGRAM, "Wrong TC.")

    def open_domain(self, job: JobRef) -> Sequence[bytes]:
        return DOMAIN[:2]

    def secure(self, job: JobRef, answers: Sequence[bytes]) -> Sequence[bytes]:
        assert [answer[:-2] for answer in answers] == DOMAIN[:2]
        return DOMAIN[2:]

    def require_secured(self, job: JobRef, answers: Sequence[bytes]) -> None:
        if [answer[:-2] for answer in answers] != DOMAIN[2:]:
            raise CheckFailed(Control.CARD_SECURED, "Not secured.")

    def accept(self, job: JobRef, checks: object) -> JobView:
        self.told.append(checks)
        return JobView(job, "b", 1, "9", "p", JobState.GOOD, None, None)

    def suspect(self, job: JobRef, control: Control, sentence: str) -> JobView:
        self.told += [control, sentence]
        return JobView(job, "b", 1, "9", "p", JobState.SUSPECT, None, None)


JOB = JobRef("b", 1)


def numbers(size: int) -> bytes:
    return b"\xab" * size


def test_a_good_chip_passes_every_check() -> None:
    chip, desk = Chip(), Desk()
    assert check_chip(JOB, chip, desk, numbers).state is JobState.GOOD
    assert chip.asked == [
        *(
            "directory",
            "entry",
            "select",
            "options",
            "0101",
            "0201",
            "0202",
            "ac",
            "response",
            "tc",
        ),
        *("domain", "update", "auth", "secured"),
    ]
    assert desk.told == [CHECKS]
    first, second = desk.verified
    assert first == second  # what the terminal said, without 8A and 91
    assert first.endswith(b"\xab" * 4 + b"\x1c\x00" + b"\x00\x01" + IAD)
    assert chip.given["response"] == RESPONSE
    assert chip.given["tc"].startswith(b"00")


def test_format_1_is_read_as_well() -> None:
    ac = Response(tlv(0x80, b"\x80\x00\x01" + bytes(8) + IAD), 0x9000)
    tc = Response(tlv(0x80, b"\x40\x00\x01" + bytes(8) + IAD), 0x9000)
    chip = Chip({"options": Response(tlv(0x80, AIP + AFL), 0x9000), "ac": ac, "tc": tc})
    desk = Desk()
    assert check_chip(JOB, chip, desk, numbers).state is JobState.GOOD
    assert desk.verified[0].endswith(b"\x00\x01" + IAD)


DIFFERENT = {
    "no application": ({"select": Response(b"", 0x6A82)}, "KIF-QC-01"),
    "no directory": ({"directory": Response(b"", 0x6A82)}, "KIF-QC-01"),
    "a directory without a file": ({"directory": Response(b"\x6f\x00", 0x9000)}, "KIF-QC-01"),
    "another entry": ({"entry": Response(ENTRY[:-1] + b"\x02", 0x9000)}, "KIF-QC-01"),
    "a bare 9000": ({"select": Response(b"", 0x9000)}, "KIF-QC-01"),
    "another label": ({"select": selected(tlv(0x50, b"OTHER") + tlv(0x87, b"\x01"))}, "KIF-QC-01"),
    "another priority": (
        {"select": selected(data(SCRIPT, "9102")[:-1] + b"\x02")},
        "KIF-QC-01",
    ),
    "another name": ({"select": selected(name="A0000000999998")}, "KIF-QC-01"),
    "other options of format 1": (
        {"options": Response(tlv(0x80, b"\x00\x00" + AFL), 0x9000)},
        "KIF-QC-01",
    ),
    "other options": ({"options": Response(tlv(0x77, b"\x82\x02\x00\x00"), 0x9000)}, "KIF-QC-01"),
    "options in another template": ({"options": Response(b"\x70\x00", 0x9000)}, "KIF-QC-01"),
    "an altered record": (
        {"0201": Response(data(SCRIPT, "0201")[:-1] + b"\x55", 0x9000)},
        "KIF-QC-01",
    ),
    "a record cut short": ({"0101": Response(data(SCRIPT, "0101")[:-1], 0x9000)}, "KIF-QC-01"),
    "a record missing": ({"0202": Response(b"", 0x6A83)}, "KIF-QC-01"),
    "an AAC": ({"ac": cryptogram(cid=0)}, "KIF-QC-02"),
    "no cryptogram": ({"ac": Response(tlv(0x77, b""), 0x9000)}, "KIF-QC-02"),
    "a short cryptogram": ({"ac": cryptogram(arqc=bytes(7))}, "KIF-QC-02"),
    "other issuer data": ({"ac": cryptogram(iad=bytes(7))}, "KIF-QC-01"),
    "a response that is refused": ({"response": Response(b"", 0x6300)}, "KIF-QC-01"),
    "a decline after it": ({"tc": cryptogram(cid=0)}, "KIF-QC-02"),
    "other issuer data after it": ({"tc": cryptogram(0x40, bytes(7))}, "KIF-QC-01"),
    "not secured": ({"secured": Response(b"", 0x6985)}, "KIF-QC-03"),
    "no BER": ({"options": Response(b"\x77\x05\x00", 0x9000)}, "KIF-FMT-01"),
}


@pytest.mark.control("KIF-QC-01", "KIF-QC-02")
@pytest.mark.parametrize("case", DIFFERENT)
def test_a_chip_that_differs_is_suspect_and_no_value_is_told(case: str) -> None:
    changed, control = DIFFERENT[case]
    desk = Desk()
    assert check_chip(JOB, Chip(changed), desk, numbers).state is JobState.SUSPECT
    assert desk.told[0] == control
    assert RECORD["pan"] not in str(desk.told)


@pytest.mark.parametrize("answers", range(14))
def test_a_card_that_vanishes_is_suspect(answers: int) -> None:
    desk = Desk()
    assert check_chip(JOB, Chip(gone=answers), desk, numbers).state is JobState.SUSPECT
    assert desk.told[0] == "KIF-CHIP-03"


def test_an_arqc_that_does_not_verify_is_suspect() -> None:
    desk = Desk(CheckFailed(Control.CHIP_CRYPTOGRAM, "Wrong."))
    assert check_chip(JOB, Chip(), desk, numbers).state is JobState.SUSPECT
    assert desk.told == ["KIF-QC-02", "Wrong."]


def test_a_tc_that_does_not_verify_is_suspect() -> None:
    desk = Desk(refused_tc=True)
    assert check_chip(JOB, Chip(), desk, numbers).state is JobState.SUSPECT
    assert desk.told == ["KIF-QC-02", "Wrong TC."]


def test_an_hsm_that_fails_is_not_the_chips_fault() -> None:
    desk = Desk(DeviceFailed(Control.TOKEN_PRESENT, "Gone."))
    with pytest.raises(DeviceFailed):
        check_chip(JOB, Chip(), desk, numbers)
    assert not desk.told


def test_the_script_of_the_card_is_what_counts() -> None:
    assert Script.decode(SCRIPT.encode()) == SCRIPT
