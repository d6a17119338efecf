"""Keys come in key blocks under a zone's master key, and leave in one, or to a public key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from psec import tr31 as psec

from kif.ceremony.hold import hold, resume
from kif.ceremony.people import Component
from kif.ceremony.rehearsal import RehearsalPeople
from kif.formats.control import Control
from kif.formats.error import BadInput, CheckFailed, KifError, Refused
from kif.formats.kcv import Kcv
from kif.formats.keyref import KeyRef
from kif.formats.secret import Secret
from kif.formats.state import KeyState
from kif.hsm.keyblock import ON_HOST
from kif.hsm.pin import cvv
from kif.ledger.actions import ACTIONS
from kif.ledger.event import Boundary, Entry, Event
from kif.ledger.events.ceremony import StepMissed
from kif.ledger.events.key import ComponentGiven, KeyExported, KeyImported, KeyWrapped
from kif.oracle.audit import audit
from kif.simulator.vendor import TEST_VENDOR
from tests.ceremony.test_backup import opened
from tests.ceremony.test_keeping import held as held_about
from tests.ceremony.test_keeping import require_record
from tests.ceremony.test_staff import plan_with
from tests.hsm.software import aes_kcv, tdes_kcv
from tests.killing import killed_at, killings
from tests.site import (
    ISSUER,
    TestSite,
    components,
    make_site,
    released_batch,
    require_lives_told,
    shipped,
)

ZONE, KEY = KeyRef(ISSUER, "zone-master", 1), KeyRef(ISSUER, "emv-ac", 1)
PARTS = (bytes(range(32)), bytes(range(100, 132)))
ZONE_VALUE = bytes(a ^ b for a, b in zip(*PARTS, strict=True))


def sheets(key: KeyRef) -> Sequence[Component]:
    """The TEST components of the zone master key."""
    return [Component(Secret(part), aes_kcv(part).hex()) for part in PARTS]


def value_of(key: KeyRef) -> bytes:
    """The value of an issuer's TEST key, as its issuer knows it."""
    first, second = (bytes(each.value.reveal()) for each in components(key)[:2])
    combined = bytes(a ^ b for a, b in zip(first, second, strict=True))
    return bytes(b ^ (b.bit_count() % 2 == 0) for b in combined)  # odd parity


def make_zone(folder: Path) -> TestSite:
    site = make_site(folder)
    with site.oracle() as oracle:
        people = replace(site.people, sheets=sheets)
        made = hold(oracle.ceremonies, shipped("zone-keys"), ISSUER, people)
    assert made == (ZONE,)
    return site


def export(site: TestSite, name: str, people: RehearsalPeople | None = None) -> Path:
    with opened(site) as oracle:
        hold(oracle.ceremonies, shipped(name), ISSUER, people or site.people, KEY)
    ending = "tr31" if name == "export-block" else "oaep"
    return site.home.exchange / f"{ISSUER}-emv-ac-1.{ending}"


@dataclass(frozen=True)
class Writing(RehearsalPeople):
    """People who keep what they put on sheets, for these tests to see."""

    sheets_written: list[bytes] = field(default_factory=list)

    def give_component(
        self, person: str, key: KeyRef, number: int, component: Secret, kcv: Kcv
    ) -> None:
        assert kcv.value == aes_kcv(component.reveal())
        self.sheets_written.append(bytes(component.reveal()))


@dataclass(frozen=True)
class Blocks(RehearsalPeople):
    """People who give these blocks, one after another."""

    blocks: tuple[str, ...] = ()

    def key_block(self, key: KeyRef) -> str:
        given = len(list(self.folder.glob("given-*")))
        (self.folder / f"given-{given}").touch()
        return self.blocks[given]


def giving(site: TestSite, *blocks: str) -> Blocks:
    people = site.people
    return Blocks(people.folder, people.sheets, people.listener, blocks)


def block_of(usage: str = "E0", value: bytes = bytes(range(1, 17)), **more: str) -> str:
    """A block that another party makes with software of its own."""
    fields = {"algorithm": "T", "mode_of_use": "X", "version_num": "00", "exportability": "N"}
    fields |= more
    header = psec.Header("D", usage, **fields)
    return str(psec.wrap(ZONE_VALUE, header, value))


def altered(block: str) -> str:
    """The block with another last digit, which is one of its MAC's."""
    return block[:-1] + ("1" if block[-1] == "0" else "0")


def left(site: TestSite) -> list[Path]:
    """The files of keys that left; a request for a certificate is none."""
    return [path for path in site.home.exchange.iterdir() if path.suffix != ".csr"]


def events(site: TestSite, kind: type[Event]) -> list[Entry]:
    with site.oracle() as oracle, oracle.ceremonies.desk.record.reading() as (_, tx):
        entries = map(Entry.decode, tx.ledger.leaves())
        return [entry for entry in entries if isinstance(entry.event, kind)]


@pytest.mark.control("KIF-CER-09", "KIF-HSM-09")
def test_other_software_opens_the_block_that_a_key_left_in(tmp_path: Path) -> None:
    site = make_zone(tmp_path / "home")
    path = export(site, "export-block")
    header, value = psec.unwrap(ZONE_VALUE, path.read_text())
    assert value == value_of(KEY)
    assert (header.key_usage, header.algorithm, header.mode_of_use) == ("E0", "T", "X")
    (entry,) = events(site, KeyExported)
    assert entry.boundary is Boundary.HOST  # SoftHSM has no mechanism for it, and it is said
    page = require_record(site, tmp_path / "report")
    assert f"{KEY} left in a block under {ZONE}." in page
    audit(site.home)


@pytest.mark.control("KIF-CER-09")
def test_a_vendors_key_comes_in_a_block_under_its_zones_key(tmp_path: Path) -> None:
    site, vendor = make_site(tmp_path / "home"), TEST_VENDOR.name
    sent = block_of("E5", b"TEST-NEW-MANAGER", algorithm="A")
    with site.oracle() as oracle:
        people = replace(site.people, sheets=sheets)
        (zone,) = hold(oracle.ceremonies, shipped("zone-keys"), vendor, people)
        (key,) = hold(oracle.ceremonies, shipped("import-vendor-key"), vendor, giving(site, sent))
        views = {view.key: view.kcv for view in oracle.custody.inventory()}
    assert (str(zone), str(key)) == (f"{vendor}/zone-master/1", f"{vendor}/card-manager/2")
    assert views[key] == f"gp-aes-01:{aes_kcv(b'TEST-NEW-MANAGER').hex().upper()}"
    audit(site.home)


@pytest.mark.control("KIF-CER-09")
def test_a_partner_is_one_that_the_site_knows(tmp_path: Path) -> None:
    site = make_site(tmp_path / "home")
    with site.oracle() as oracle, pytest.raises(Refused, match="bank is no registered issuer, and"):
        hold(oracle.ceremonies, shipped("zone-keys"), "bank", site.people)


@pytest.mark.control("KIF-CER-06", "KIF-CER-09")
def test_a_compromise_of_a_zones_key_lists_what_travelled_under_it(tmp_path: Path) -> None:
    site = make_zone(tmp_path / "home")
    export(site, "export-block")
    said = held_about(site, "compromise", ZONE)
    assert f"  Key {KEY} came or left under it: regard it as known as well." in said
    page = require_record(site, tmp_path / "report")
    assert f"{ZONE} is COMPROMISED; 0 batches and 1 keys depend on it" in page
    audit(site.home)


@pytest.mark.control("KIF-CER-09")
def test_the_owner_of_a_public_key_opens_what_was_wrapped_to_it(tmp_path: Path) -> None:
    site = make_site(tmp_path / "home")
    private = rsa.generate_private_key(65537, 2048)
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    class Owner(RehearsalPeople):
        def recipient(self, key: KeyRef) -> str:
            return pem.decode()

    people = site.people
    path = export(site, "export-wrapped", Owner(people.folder, people.sheets, people.listener))
    oaep = padding.OAEP(padding.MGF1(SHA1()), SHA1(), None)  # noqa: S303
    assert private.decrypt(path.read_bytes(), oaep) == value_of(KEY)
    (entry,) = events(site, KeyWrapped)
    assert entry.boundary is Boundary.HSM
    assert "left wrapped to the public key" in require_record(site, tmp_path / "report")
    audit(site.home)


@pytest.mark.control("KIF-CER-09")
def test_nothing_leaves_without_agreement_or_to_what_is_no_key(tmp_path: Path) -> None:
    site = make_site(tmp_path / "home")

    class Doubtful(RehearsalPeople):
        def agree(self, question: str) -> None:
            raise Refused(Control.CEREMONY, "It was not agreed to. Nothing was done.")

    class Mistaken(RehearsalPeople):
        def recipient(self, key: KeyRef) -> str:
            return "-----BEGIN CERTIFICATE-----"

    given = (site.people.folder, site.people.sheets, site.people.listener)
    with pytest.raises(Refused, match="not agreed to"):
        export(site, "export-wrapped", Doubtful(*given))
    with opened(site) as oracle, pytest.raises(BadInput, match="no RSA public key of 2048 bits"):
        resume(oracle.ceremonies, Mistaken(*given))
    assert len(events(site, StepMissed)) == 3  # each try is on the record
    assert not left(site)
    assert not events(site, KeyWrapped)


@pytest.mark.control("KIF-CER-09", "KIF-CER-03")
def test_an_issuer_has_the_zone_key_of_the_sheets_that_were_made_here(tmp_path: Path) -> None:
    site = make_site(tmp_path / "home")
    people = site.people
    writing = Writing(people.folder, people.sheets, people.listener)
    with site.oracle() as oracle:
        assert hold(oracle.ceremonies, shipped("zone-keys-drawn"), ISSUER, writing) == (ZONE,)
    first, second = writing.sheets_written
    assert first != second
    combined = bytes(a ^ b for a, b in zip(first, second, strict=True))
    _, value = psec.unwrap(combined, export(site, "export-block").read_text())
    assert value == value_of(KEY)
    told = [entry.event for entry in events(site, ComponentGiven)]
    assert [each.person for each in told] == ["custodian-1", "custodian-2"]  # type: ignore[attr-defined]
    require_lives_told(site)
    audit(site.home)


@pytest.mark.control("KIF-CER-09", "KIF-HSM-09")
def test_keys_that_come_in_blocks_are_used(tmp_path: Path) -> None:
    site = make_zone(tmp_path / "home")
    values = {use: bytes([at]) * 8 + bytes([at + 1]) * 8 for at, use in ((1, "E0"), (4, "E2"))}
    values["E1"] = bytes([7]) * 8 + bytes([8]) * 8
    people = giving(site, *(block_of(usage, values[usage]) for usage in ("E0", "E2", "E1")))
    with site.oracle() as oracle:
        made = hold(oracle.ceremonies, shipped("import-keys"), ISSUER, people)
        known = oracle.ceremonies.desk.record.tail.state.keys.known
        assert [known[key].state for key in made] == [KeyState.ACTIVE] * 3
        for key, usage in zip(made, ("E0", "E2", "E1"), strict=True):
            assert known[key].kcv == f"des-zero:{tdes_kcv(values[usage]).hex().upper()}"
        view = released_batch(site, oracle, "IMPORTED", 1)
        batch = oracle.ceremonies.desk.record.tail.state.batches.known[view.id]
        assert {key for key, _ in batch.keys} >= set(map(str, made))
    entries = events(site, KeyImported)
    assert [entry.boundary for entry in entries] == [Boundary.HOST] * 3
    assert "came in a block under" in require_record(site, tmp_path / "report")
    require_lives_told(site)
    audit(site.home)


@pytest.mark.control("KIF-CER-09", "KIF-HSM-09")
def test_a_card_verification_key_comes_in_a_block_with_its_left_half(tmp_path: Path) -> None:
    site = make_zone(tmp_path / "home")
    value = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
    plan = shipped("import-card-verification-key")
    with site.oracle() as oracle:
        people = giving(site, block_of("C0", value, mode_of_use="C"))
        (key,) = hold(oracle.ceremonies, plan, ISSUER, people)
        desk = oracle.gateway.desk
        with desk.record.deciding() as state:
            found = desk.keys.with_left(key, state.keys.require(key))
        assert cvv(found, "4123456789012345", "8701", "101") == "561"  # as published (CVV-1)
    audit(site.home)


@pytest.mark.control("KIF-CER-09", "KIF-HSM-09")
@pytest.mark.parametrize(
    ("block", "error", "said"),
    [
        (lambda: block_of("E1"), BadInput, "it is for usage E1, mode X; a key for emv-ac has E0"),
        (lambda: block_of(mode_of_use="E"), BadInput, "mode E; a key for emv-ac has E0, X or N"),
        (lambda: block_of(algorithm="A"), BadInput, "its key is one of algorithm A, not T"),
        (lambda: block_of(value=bytes(24)), BadInput, "its key is 3TDEA, not 2TDEA"),
        (lambda: altered(block_of()), CheckFailed, "The key block's MAC is not right"),
        (lambda: "D00", BadInput, "it does not begin with a header"),
    ],
    ids=["another usage", "another mode", "another cipher", "longer", "altered", "no block"],
)
def test_a_block_that_is_not_of_such_a_key_is_counted_and_asked_for_again(
    tmp_path: Path, block: object, error: type[KifError], said: str
) -> None:
    site = make_zone(tmp_path / "home")
    bad = block()  # type: ignore[operator]
    with site.oracle() as oracle, pytest.raises(error, match=said):
        hold(oracle.ceremonies, shipped("import-keys"), ISSUER, giving(site, *[bad] * 3))
    assert len(events(site, StepMissed)) == 3
    with site.oracle() as oracle:
        assert (
            KeyRef(ISSUER, "emv-ac", 2) not in oracle.ceremonies.desk.record.tail.state.keys.known
        )
        oracle.ceremonies.abort("The blocks are wrong.")
    audit(site.home)


@pytest.mark.control("KIF-CER-09", "KIF-HSM-09")
def test_a_key_is_clear_on_the_host_only_where_the_plan_permits_it(tmp_path: Path) -> None:
    site = make_zone(tmp_path / "home")
    strict = plan_with(tmp_path, "import-keys", "    permits: tr31-on-host\n", "")
    with site.oracle() as oracle, pytest.raises(Refused, match=r"clear on the host \(tr31-on-host"):
        hold(oracle.ceremonies, strict, ISSUER, giving(site, block_of()))
    assert ACTIONS["import-block"].takes["permits"].fits(ON_HOST)


@pytest.mark.control("KIF-CER-09")
def test_a_key_leaves_to_its_owner_alone_and_not_under_itself(tmp_path: Path) -> None:
    site = make_zone(tmp_path / "home")
    with opened(site) as oracle:
        plan, vendors = shipped("export-wrapped"), KeyRef("test-vendor", "card-manager", 1)
        with pytest.raises(Refused, match=f"is a key of test-vendor, .* is for {ISSUER}"):
            hold(oracle.ceremonies, plan, ISSUER, site.people, vendors)
        with pytest.raises(Refused, match="does not leave under itself"):
            hold(oracle.ceremonies, shipped("export-block"), ISSUER, site.people, ZONE)
        oracle.ceremonies.abort("It is the wrong key.")
    assert not left(site)


@pytest.mark.control("KIF-CER-09")
@pytest.mark.parametrize(
    ("place", "when"),
    killings(
        (
            "kif.oracle.exchange:open_block",
            "kif.oracle.record:Record.write",
            "kif.hsm.form:Drawn.form",
        )
    ),
)
def test_an_import_that_is_killed_goes_on(tmp_path: Path, place: str, when: str) -> None:
    site = make_zone(tmp_path / "home")
    for purpose in ("emv-ac", "emv-smi", "emv-smc"):
        with opened(site) as oracle:
            named = KeyRef(ISSUER, purpose, 1)
            hold(oracle.ceremonies, shipped("export-block"), ISSUER, site.people, named)
    assert killed_at(site.home.path, "import-keys", place, when)
    with site.oracle() as oracle:
        if oracle.ceremonies.standing() is None:
            hold(oracle.ceremonies, shipped("import-keys"), ISSUER, site.people)
        else:
            resume(oracle.ceremonies, site.people)
        inventory = {view.key: view for view in oracle.custody.inventory()}
    for purpose in ("emv-ac", "emv-smi", "emv-smc"):
        first, second = (inventory[KeyRef(ISSUER, purpose, version)] for version in (1, 2))
        assert (second.kcv, second.state) == (first.kcv, KeyState.ACTIVE)
    require_lives_told(site)
    audit(site.home)


@pytest.mark.control("KIF-CER-03", "KIF-CER-06")
@pytest.mark.parametrize(
    ("place", "when"),
    killings(("kif.oracle.ceremony:Ceremonies.give", "kif.oracle.ceremony:Ceremonies.form")),
)
def test_components_are_drawn_anew_after_a_kill(tmp_path: Path, place: str, when: str) -> None:
    site = make_site(tmp_path / "home")
    assert killed_at(site.home.path, "zone-keys-drawn", place, when)
    people = site.people
    writing = Writing(people.folder, people.sheets, people.listener)
    with site.oracle() as oracle:
        resume(oracle.ceremonies, writing)
    assert len(writing.sheets_written) == 2
    export(site, "export-block")
    require_lives_told(site)
    audit(site.home)
