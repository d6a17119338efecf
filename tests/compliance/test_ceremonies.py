"""Scripts, reports and records of ceremonies: made from plan and log alone, verified alone."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kif.ceremony.hold import deviate, resume
from kif.cli.papers import Read, read_ceremonies, write_report
from kif.compliance.ceremonies import Outcome
from kif.compliance.ceremony import in_words, report_of
from kif.compliance.document import Table, Ticks
from kif.compliance.record import verify_record
from kif.compliance.script import script_of
from kif.console.paper import to_html, to_pdf
from kif.formats import canonical
from kif.formats.error import BadInput, CheckFailed, KifError
from kif.ledger.event import KINDS
from kif.oracle.audit import audit
from kif.simulator.vendor import OTHER_TEST_VENDOR, TEST_VENDOR
from tests.ceremony.test_keys import fumbling
from tests.ceremony.test_keys import hold as hold_vendor
from tests.cli.kif import kif
from tests.ledger.history import SoftwareSigner
from tests.ledger.test_event import EVENTS
from tests.site import TestSite, make_site, shipped

GENESIS, VENDOR, ISSUER, DOMAIN, PINS, VALUES, PAIR, GIVEN = range(1, 9)
STATION, FUMBLED, ABORTED, STANDING = range(9, 13)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[TestSite, Read]:
    """A site with a closed ceremony of each kind, an aborted one and one that stands."""
    site = make_site(tmp_path_factory.mktemp("site") / "home")
    with site.oracle() as oracle:
        desk, other = oracle.ceremonies, OTHER_TEST_VENDOR.name
        with pytest.raises(BadInput):
            hold_vendor(oracle, fumbling(site, 2, 2, 2), other)
        deviate(desk, "The alarm rang.", ("custodian-1", "operator-2"), site.people)
        resume(desk, site.people)
        for _ in range(2):
            with pytest.raises(BadInput):
                hold_vendor(oracle, fumbling(site, 2, 2, 2), TEST_VENDOR.name)
            if desk.running().keys[0].version == 2 and not site.home.reports.exists():
                site.home.reports.mkdir()
                desk.abort("The second sheet is not legible.")
    return site, read_ceremonies(site.home, audit(site.home).verifier)


def written(read: Read, number: int, folder: Path) -> Path:
    list(write_report(read, number, folder))
    return folder


def test_every_ceremony_is_told_with_its_outcome(told: tuple[TestSite, Read]) -> None:
    found = [(each.plan.ceremony, each.outcome) for each in told[1].ceremonies.told]
    assert found == [
        ("genesis", Outcome.CLOSED),
        ("vendor-keys", Outcome.CLOSED),
        ("issuer-keys", Outcome.CLOSED),
        ("issuer-domain-key", Outcome.CLOSED),
        ("pin-keys", Outcome.CLOSED),
        ("card-verification-key", Outcome.CLOSED),
        ("issuer-pair", Outcome.CLOSED),
        ("issuer-certificate", Outcome.CLOSED),
        ("enrol-station", Outcome.CLOSED),
        ("vendor-keys", Outcome.CLOSED),
        ("vendor-keys", Outcome.ABORTED),
        ("vendor-keys", Outcome.STANDING),
    ]


def test_a_report_has_every_entry_in_its_step(told: tuple[TestSite, Read]) -> None:
    ceremonies = told[1].ceremonies
    for each in ceremonies.told:
        rows = [
            row
            for part in report_of(each, ceremonies).parts
            if isinstance(part, Table) and "entry" in part.heads
            for row in part.rows
        ]
        assert [int(row[1]) for row in rows] == [e.index for e in each.entries[1:]]
    fumbled = report_of(ceremonies.told[FUMBLED - 1], ceremonies)
    page = to_html(fumbled)
    for words in (
        "DEVIATION, signed by custodian-1 and operator-2: The alarm rang.",
        "Missed by custodian-1: The component&#39;s check value is",
        "Resumed after an interruption; made again: no key.",
    ):
        assert words in page
    aborted = to_html(report_of(ceremonies.told[ABORTED - 1], ceremonies))
    assert "It was ABORTED. That is no success" in aborted
    assert "It did not come to this step." in aborted


@pytest.mark.parametrize("kind", KINDS)
def test_every_event_can_be_said_in_a_line(kind: str) -> None:
    assert in_words(EVENTS[kind]).endswith(".")


@pytest.mark.control("KIF-CER-06", "KIF-LOG-02")
@pytest.mark.parametrize("number", range(GENESIS, STANDING + 1))
def test_a_record_verifies_by_itself(
    told: tuple[TestSite, Read], number: int, tmp_path: Path
) -> None:
    record = written(told[1], number, tmp_path) / "record.json"
    found = verify_record(record.read_bytes(), told[1].verifier)
    ceremony = told[1].ceremonies.told[number - 1]
    assert (found.outcome, found.plan) == (ceremony.outcome, ceremony.plan)
    assert found.subject == ceremony.subject
    done = kif(tmp_path, "ceremony", "verify", record)
    assert done.code == (0 if ceremony.outcome is Outcome.CLOSED else 1)
    assert f"verifies: {ceremony.outcome.value}; plan {ceremony.plan.digest}" in done.out


Change = Callable[[dict[str, Any]], None]


def in_leaf(old: bytes, new: bytes) -> Change:
    """Change the first leaf that has these bytes."""

    def change(fields: dict[str, Any]) -> None:
        for entry in fields["entries"]:
            leaf = base64.b64decode(entry["leaf"])
            if old in leaf:
                entry["leaf"] = base64.b64encode(leaf.replace(old, new)).decode()
                return
        raise AssertionError(old)

    return change


def without(kind: bytes) -> Change:
    """Leave the first entry of a kind out."""

    def change(fields: dict[str, Any]) -> None:
        at = next(
            at
            for at, entry in enumerate(fields["entries"])
            if b'"kind":"' + kind + b'"' in base64.b64decode(entry["leaf"])
        )
        del fields["entries"][at], fields["proofs"][at]

    return change


CHANGES: dict[str, tuple[Change, str]] = {
    "a name in an entry": (in_leaf(b"custodian-1", b"custodian-9"), "is not in the log"),
    "a check value": (in_leaf(b"gp-aes-01:504A77", b"gp-aes-01:000000"), "is not in the log"),
    "an entry at another place": (
        lambda fields: fields["entries"][-1].update(index=fields["entries"][-1]["index"] - 1),
        "is not in the log",
    ),
    "a proof cut short": (lambda fields: fields["proofs"][3].pop(), "is not in the log"),
    "a signature left out": (without(b"plan-approved"), "has not signed"),
    "a component left out": (without(b"component-entered"), "formed of 1 components"),
    "a step left out": (without(b"step-done"), "may not stand here"),
    "somebody's appointment left out": (without(b"person-appointed"), "not a registered"),
    "the beginning left out": (without(b"ceremony-begun"), "not of one ceremony"),
    "an attestation left out": (without(b"ceremony-attested"), "did not sign the end"),
    "the signed head left out": (lambda fields: fields["heads"].clear(), "not the one of the end"),
    "the checkpoint's signature": (
        lambda fields: fields.update(checkpoint=fields["checkpoint"][:-10] + "AAAAAAAA=\n"),
        "is not one that this log's key signed",
    ),
}


@pytest.mark.control("KIF-LOG-02", "KIF-LOG-03")
@pytest.mark.parametrize("case", CHANGES)
def test_a_record_that_was_changed_does_not_verify(
    told: tuple[TestSite, Read], case: str, tmp_path: Path
) -> None:
    change, words = CHANGES[case]
    record = written(told[1], VENDOR, tmp_path) / "record.json"
    fields = json.loads(record.read_text())
    change(fields)
    with pytest.raises(KifError, match=words):
        verify_record(canonical.encode(fields), told[1].verifier)


def test_a_record_of_another_log_or_of_nothing_is_refused(
    told: tuple[TestSite, Read], tmp_path: Path
) -> None:
    record = written(told[1], VENDOR, tmp_path) / "record.json"
    with pytest.raises(CheckFailed, match="not one that this log's key signed"):
        verify_record(record.read_bytes(), SoftwareSigner().verifier)
    for raw in (b"", b"{}", b"[]", b'{"format":"kif-ceremony-record-0"}', b"\xff"):
        with pytest.raises(BadInput, match="not a ceremony's record"):
            verify_record(raw)


@pytest.mark.control("KIF-ORA-02")
@pytest.mark.parametrize("number", [GENESIS, FUMBLED])
def test_plain_ssh_keygen_verifies_everyones_signatures(
    told: tuple[TestSite, Read], number: int, tmp_path: Path
) -> None:
    folder = written(told[1], number, tmp_path) / "signatures"
    statements = sorted(folder.glob("*.statement"))
    assert len(statements) == 2 * len(told[1].ceremonies.told[number - 1].people)
    for path in statements:
        name = path.name.split(".")[0]
        command = ["ssh-keygen", "-Y", "verify", "-f", "allowed_signers", "-I", name]
        command += ["-n", "kif-ceremony", "-s", path.with_suffix(".sig").name]
        for content, code in ((path.read_bytes(), 0), (path.read_bytes() + b" ", 255)):
            done = subprocess.run(command, cwd=folder, input=content, capture_output=True)
            assert done.returncode == code, done.stderr


def test_the_papers_are_a_page_and_sheets_that_are_the_same_each_time(
    told: tuple[TestSite, Read],
) -> None:
    ceremonies = told[1].ceremonies
    for document in (report_of(ceremonies.told[0], ceremonies), script_of(shipped("genesis"))):
        assert to_pdf(document) == to_pdf(document)
        assert to_pdf(document).startswith(b"%PDF-")
        assert document.title.replace("'", "&#39;") in to_html(document)


def test_a_script_has_every_step_to_tick_and_a_line_for_everyone() -> None:
    plan = shipped("issuer-keys")
    document = script_of(plan)
    ticks = [item for part in document.parts if isinstance(part, Ticks) for item in part.items]
    for step in plan.steps:
        assert step.does.does in ticks
        assert not step.checks or f"Compared: {step.checks}" in ticks
    page = to_html(document)
    assert plan.digest[:8] in page
    for who in ("custodian 1", "custodian 2", "operator 1", "operator 2"):
        assert f"<div>{who}, date</div>" in page


def test_ceremonies_are_listed_and_reported_by_command(
    told: tuple[TestSite, Read], tmp_path: Path
) -> None:
    home = told[0].home.path
    listed = kif(home, "ceremony", "list", "--json").json()
    assert [each["number"] for each in listed] == list(range(GENESIS, STANDING + 1))
    assert [each["outcome"] for each in listed[-2:]] == ["aborted", "standing"]
    status = kif(home, "ceremony", "status").out
    assert "The ceremony 'vendor-keys' for test-vendor stands at step 3 (form)" in status
    report = kif(home, "ceremony", "report", "2", tmp_path / "report")
    assert (tmp_path / "report" / "report.pdf").is_file()
    assert str(tmp_path / "report" / "record.json") in report.out
    refused = kif(home, "ceremony", "report", "13", tmp_path / "none")
    assert refused.code == 2
    assert "There is no ceremony 13; the record has 12" in refused.err
    script = kif(home, "ceremony", "script", "ceremonies/genesis.yaml", tmp_path / "script")
    assert (tmp_path / "script" / "genesis-script.html").is_file()
    assert script.code == 0
