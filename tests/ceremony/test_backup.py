"""The backup ceremony: shares to custodians, masters under their key, and back in another token."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from kif.ceremony.destination import Destination
from kif.ceremony.hold import hold, resume
from kif.ceremony.rehearsal import RehearsalPeople
from kif.ceremony.restoring import restore_site, resume_restoring
from kif.ceremony.seal import unseal
from kif.ceremony.share import read_share
from kif.formats.error import BadInput, Refused
from kif.formats.keyref import KeyRef, of_site
from kif.formats.purpose import KEPT
from kif.formats.secret import Secret
from kif.formats.state import KeyState
from kif.hsm.backup import put_back
from kif.hsm.key import Algorithm, released
from kif.hsm.provision import provision
from kif.hsm.quorum import combine, load_share
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from kif.ledger.event import Entry, Event
from kif.ledger.events.custody import ShareGiven
from kif.ledger.genesis import SO_PIN
from kif.oracle.audit import audit
from kif.oracle.local import LocalOracle, Officer, open_oracle
from kif.oracle.quorums import _decoded
from kif.store.engine import open_store
from tests.hsm.conftest import TEST_PIN, TEST_SO_PIN
from tests.killing import killed_at, killings
from tests.owntoken import TokenPeople, make_own_token
from tests.site import (
    ISSUER,
    OPERATORS,
    TestSite,
    make_bare_site,
    make_site,
    require_lives_told,
    shipped,
)

KEK = of_site("backup-kek")
CUSTODIANS = ("custodian-1", "custodian-2")


@contextmanager
def opened(site: TestSite) -> Iterator[LocalOracle]:
    """Open the site with the security officer's PIN."""
    given = {name: site.people.passphrase(name, SO_PIN) for name in CUSTODIANS}
    pin = unseal(site.home.seal, SO_PIN, given, Destination.of(site.home.token_place()))
    officer = Officer(pin, CUSTODIANS)
    with site.home.alone(), open_oracle(site.home, site.pin(), OPERATORS, officer) as oracle:
        yield oracle


def back_up(site: TestSite, people: RehearsalPeople | None = None) -> tuple[KeyRef, ...]:
    with opened(site) as oracle:
        return hold(oracle.ceremonies, shipped("backup"), "site", people or site.people)


def events(site: TestSite) -> list[Event]:
    with open_store(site.home.database).reading() as tx:
        return [Entry.decode(leaf).event for leaf in tx.ledger.leaves()]


def kinds(site: TestSite) -> list[str]:
    return [event.kind for event in events(site)]


def shares_of(site: TestSite, numbers: tuple[int, ...], key: KeyRef = KEK) -> dict[int, Secret]:
    found = {}
    for number in numbers:
        person = f"custodian-{number}"
        path = site.people.folder / f"{person}-test-share-{key.version}"
        found[number] = read_share(path, key, number, site.people.passphrase(person, str(key)))
    return found


@pytest.mark.control("KIF-HSM-11", "KIF-CER-06")
@pytest.mark.parametrize("numbers", [(1, 2), (1, 3), (2, 3)])
def test_any_two_shares_bring_every_master_back_into_a_new_token(
    tmp_path: Path, numbers: tuple[int, ...]
) -> None:
    site = make_site(tmp_path / "home")
    with site.oracle() as oracle:
        site.load_drawn(oracle, "pin-zone-key-2tdea", ISSUER)  # it stands beside the AES one
    assert back_up(site) == (KEK,)
    audit(site.home)
    quorum = _decoded(json.loads((site.home.backup / "quorum-1.json").read_text()))
    backup = json.loads((site.home.backup / "masters-1.json").read_text())
    with site.oracle() as oracle:
        known = {view.key: view for view in oracle.custody.inventory()}
    assert (known[KEK].state, known[KEK].usage) == (KeyState.ACTIVE, "backup-kek")
    expected = {str(key): view for key, view in known.items() if view.usage in KEPT}
    assert {each["key"] for each in backup["keys"]} == expected.keys()
    assert {f"{ISSUER}/emv-ac/1", f"{ISSUER}/pin-zone/1", f"{ISSUER}/pin-zone/2"} <= expected.keys()
    place = replace(site.home.token_place(), label="new-hsm")
    provision(place.library, place.label, TEST_SO_PIN, TEST_PIN)
    with Token.open(place, TEST_PIN) as token:
        given = shares_of(site, numbers)
        loaded = {number: load_share(token, share) for number, share in given.items()}
        kek = combine(quorum, loaded, Usage.BACKUP_KEK)
        with released(kek, *loaded.values()):
            for each in backup["keys"]:
                blobs = [bytes.fromhex(each[name]) for name in ("wrapped", "left") if name in each]
                algorithm = Algorithm(each["algorithm"])
                usage = Usage(expected[each["key"]].usage)
                formed = put_back(token, each["key"], algorithm, kek, blobs, usage)
                assert str(formed.values.kcv) == expected[each["key"]].kcv == each["kcv"]
                assert str(formed.values.derived) == each["derived"]


@pytest.mark.control("KIF-CER-04")
def test_without_the_security_officer_the_ceremony_stands_at_its_step(tmp_path: Path) -> None:
    site = make_bare_site(tmp_path / "home")
    with site.oracle() as oracle, pytest.raises(Refused, match="was not opened with the token"):
        hold(oracle.ceremonies, shipped("backup"), "site", site.people)
    with opened(site) as oracle:
        assert resume(oracle.ceremonies, site.people) == (KEK,)
    assert kinds(site).count("officer-opened") == 2  # with the resumption, and in the step
    audit(site.home)


@pytest.mark.control("KIF-HSM-11", "KIF-CER-06")
def test_shares_are_made_in_custodians_own_tokens(tmp_path: Path) -> None:
    """Two of three; what they hand over brings the masters back in another HSM."""
    site, said = make_bare_site(tmp_path / "home"), list[str]()
    tokens = {name: make_own_token(tmp_path / name, name) for name in CUSTODIANS}
    people = TokenPeople(site.people.folder, site.people.sheets, said.append, tokens)
    assert back_up(site, people) == (KEK,)
    media = [str(event.medium) for event in events(site) if isinstance(event, ShareGiven)]
    assert media == ["token", "token", "file"]
    shutil.rmtree(site.home.site / "token")
    wrong = {**tokens, "custodian-2": tokens["custodian-1"]}
    clumsy = replace(people, tokens=wrong)
    with site.home.alone(), pytest.raises(BadInput, match="The token has no 'kif-test-site share"):
        restore_site(site.home, shipped("restore"), clumsy)
    with site.home.alone():
        resume_restoring(site.home, people)
    assert kinds(site).count("step-missed") == 3
    assert "restored from the backup, with the same check values." in "".join(said)
    audit(site.home)


@dataclass(frozen=True)
class Clumsy(RehearsalPeople):
    """Gives the wrong share back in every way, and the right one after that."""

    ways: list[str] = field(default_factory=list)

    def kept_share(self, person: str, key: KeyRef, number: int) -> Secret:
        way = self.ways.pop(0) if self.ways else ""
        right = super().kept_share(person, key, number)
        if way == "another's":
            other = 3 - number
            return super().kept_share(f"custodian-{other}", key, other)
        if way == "another set's":
            return read_share(self._share(person, of_site("backup-kek")), key, number, Secret(b"x"))
        if way == "mistyped":
            value = bytearray(right.reveal())
            value[7] ^= 1
            return Secret(bytes(value))
        if way == "short":
            return Secret(right.reveal()[:-1])
        return right


@pytest.mark.control("KIF-HSM-11", "KIF-CER-06")
def test_a_wrong_share_is_told_counted_and_given_again(tmp_path: Path) -> None:
    site, said = make_bare_site(tmp_path / "home"), list[str]()
    back_up(site)
    ways = ["another's", "mistyped", "", "another set's", "short", ""]
    people = Clumsy(site.people.folder, site.people.sheets, said.append, ways)
    assert back_up(site, people) == (replace(KEK, version=2),)
    again = [text for text in said if text.endswith("Once more, please.")]
    assert [words in text for text, words in zip(again, WORDS, strict=True)] == [True] * 4
    assert kinds(site).count("step-missed") == 4
    audit(site.home)


WORDS = (
    "This is not share 1 of site/backup-kek/2: its check value differs",
    "This is not share 1 of site/backup-kek/2: its check value differs",
    "is share 2 of site/backup-kek/1; share 2 of site/backup-kek/2 is needed",
    "A share has 32 bytes; this one has 31",
)


@pytest.mark.control("KIF-CER-06")
def test_three_wrong_shares_leave_the_ceremony_at_its_step(tmp_path: Path) -> None:
    site = make_bare_site(tmp_path / "home")
    people = Clumsy(site.people.folder, site.people.sheets, site.people.listener, ["short"] * 3)
    with pytest.raises(BadInput, match="this one has 31"):
        back_up(site, people)
    assert not (site.home.backup / "masters-1.json").exists()
    with opened(site) as oracle:
        assert resume(oracle.ceremonies, site.people) == (KEK,)
    audit(site.home)


@pytest.mark.control("KIF-HSM-04")
def test_no_share_is_said_written_or_recorded(tmp_path: Path) -> None:
    site, said = make_bare_site(tmp_path / "home"), list[str]()
    back_up(site, replace(site.people, listener=said.append))
    clear = [share.reveal() for share in shares_of(site, (1, 2, 3)).values()]
    files = [path for path in site.home.path.rglob("*") if path.is_file()]
    told = "\n".join(said).encode()
    for content in (told, *(path.read_bytes() for path in files)):
        for share in clear:
            assert share not in content
            assert share.hex().encode() not in content.lower()


PLACES = [
    "kif.oracle.ceremony:Ceremonies.open_officer",
    "kif.oracle.quorums:Quorums.give",
    "kif.oracle.quorums:create",
    "kif.oracle.quorums:put",
    "kif.oracle.quorums:Quorums.make",
    "kif.oracle.quorums:Quorums.enter",
    "kif.oracle.quorums:take_out",
    "kif.oracle.quorums:Quorums.back_up",
]


@pytest.mark.control("KIF-CER-06")
@pytest.mark.parametrize(("place", "when"), killings(PLACES))
def test_a_backup_that_is_killed_anywhere_goes_on_at_its_step(
    tmp_path: Path, place: str, when: str
) -> None:
    site = make_bare_site(tmp_path / "home")
    assert killed_at(site.home.path, "backup", place, when)
    with opened(site) as oracle:
        assert oracle.ceremonies.standing() is not None
        assert resume(oracle.ceremonies, site.people) == (KEK,)
    told = kinds(site)
    assert told.count("ceremony-resumed") == 1
    assert told[-1] == "ceremony-closed"
    quorum = _decoded(json.loads((site.home.backup / "quorum-1.json").read_text()))
    with site.oracle() as oracle:
        (view,) = (each for each in oracle.custody.inventory() if each.key == KEK)
    assert view.kcv == str(quorum.kcv)
    require_lives_told(site)
    audit(site.home)
