"""The three-way check: every kind of difference is a finding, and the check is on the record."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pkcs11 import Attribute, ObjectClass
from sqlalchemy import text

from kif.formats.keyref import of_site
from kif.formats.state import KeyState
from kif.hsm.form import destroy_master, generate_master
from kif.hsm.key import Algorithm, generate, template
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from kif.ledger.event import Entry
from kif.ledger.events.site import KeysChecked
from kif.oracle.local import check_keys
from kif.store.engine import open_store
from tests.attacks import in_database
from tests.site import ISSUER, OPERATORS, TestSite, make_site


def findings(site: TestSite) -> list[tuple[str, str, str]]:
    with site.home.alone():
        found = check_keys(site.home, site.pin(), OPERATORS)
    return [(each.key, each.where, each.what) for each in found]


@contextmanager
def opened(site: TestSite) -> Iterator[Token]:
    with Token.open(site.home.token_place(), site.pin()) as token:
        yield token


def vendor_key(site: TestSite) -> str:
    with site.oracle() as oracle:
        return next(
            str(view.key)
            for view in oracle.custody.inventory()
            if view.key.purpose == "card-manager" and view.state is KeyState.ACTIVE
        )


def test_a_site_that_was_left_alone_has_no_findings_and_the_check_is_recorded(
    site: TestSite,
) -> None:
    assert findings(site) == []
    store = open_store(site.home.database)
    with store.reading() as tx:
        entries = [Entry.decode(leaf).event for leaf in tx.ledger.leaves()]
    store.close()
    checked = [each for each in entries if isinstance(each, KeysChecked)]
    assert [(each.by, each.findings) for each in checked] == [(OPERATORS, 0)]
    assert checked[0].keys >= 5


@pytest.mark.control("KIF-HSM-05")
def test_a_key_that_no_ceremony_made_is_found(site: TestSite) -> None:
    with opened(site) as token:
        generate_master(token, "bank/emv-ac/7", Algorithm.TDES_2)
        generate_master(token, "no reference at all", Algorithm.AES_256)
    assert findings(site) == [
        ("bank/emv-ac/7", "token", "no ceremony made this secret key."),
        ("no reference at all", "token", "no ceremony made this secret key."),
    ]
    with opened(site) as token:
        for label in ("bank/emv-ac/7", "no reference at all"):
            destroy_master(token, label)
    assert findings(site) == []


@pytest.mark.control("KIF-HSM-03")
def test_two_keys_of_one_label_and_an_attribute_that_drifted_are_found(site: TestSite) -> None:
    label = vendor_key(site)
    attributes: dict[Attribute, Any] = {
        **template(Usage.MASTER_DERIVATION, label),
        Attribute.CLASS: ObjectClass.SECRET_KEY,
        Attribute.KEY_TYPE: Algorithm.AES_128.type,
        Attribute.VALUE: bytes(16),
        Attribute.ENCRYPT: True,
    }
    with opened(site) as token:
        native = token.session.create_object(attributes)
        assert native is not None
    assert findings(site) == [
        (label, "token", "2 secret keys have this label."),
        (label, "token", "differs from its usage in ENCRYPT."),
    ]
    with opened(site) as token:
        for each in token.key_objects()[label, "secret"]:
            if each[Attribute.ENCRYPT]:
                each.destroy()
    assert findings(site) == []


@pytest.mark.control("KIF-HSM-06")
def test_another_key_under_the_same_name_and_a_key_that_is_gone_are_found(
    site: TestSite,
) -> None:
    label = vendor_key(site)
    with opened(site) as token:
        token.destroy_all(label, ObjectClass.SECRET_KEY)
    assert findings(site) == [(label, "token", "is active on the record and not there.")]
    with opened(site) as token:
        generate(token, Usage.MASTER_DERIVATION, Algorithm.AES_128, label)
    assert findings(site) == [(label, "token", "is another key: its check value differs.")]


@pytest.mark.control("KIF-HSM-05", "KIF-HSM-06")
def test_a_left_half_that_is_gone_or_another_ones_is_found(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    site = make_site(tmp_path_factory.mktemp("home"))
    key = f"{ISSUER}/card-verification/1"
    left = f"{key} left"
    with opened(site) as token:
        token.destroy_all(left, ObjectClass.SECRET_KEY)
    assert findings(site) == [(left, "token", "is active on the record and not there.")]
    with opened(site) as token:
        generate(token, Usage.CARD_VERIFICATION, Algorithm.TDES_2, left)
    assert findings(site) == [(key, "token", "is another key: its check value differs.")]


REGISTRY: list[tuple[str, Callable[[str], str]]] = [
    (
        "DELETE FROM key_record WHERE key = :key",
        lambda _: "is not in the registry, but on the record.",
    ),
    (
        "UPDATE key_record SET state = 'suspended' WHERE key = :key",
        lambda _: "has the state suspended; the record says active.",
    ),
    (
        "UPDATE key_record SET kcv = 'des-zero:000000' WHERE key = :key",
        lambda kcv: f"has the check value des-zero:000000; the record says {kcv}.",
    ),
    (
        "INSERT INTO key_record SELECT 'a/emv-ac/1', usage, algorithm, kcv, state FROM key_record "
        "WHERE key = :key",
        lambda _: "is in the registry and not on the record.",
    ),
]


@pytest.mark.control("KIF-LOG-04")
@pytest.mark.parametrize(("statement", "what"), REGISTRY)
def test_a_registry_that_was_changed_is_found(
    tmp_path_factory: pytest.TempPathFactory, statement: str, what: Callable[[str], str]
) -> None:
    site = make_site(tmp_path_factory.mktemp("home"))
    key = str(of_site("data-protection"))
    with site.oracle() as oracle:
        (kcv,) = (v.kcv for v in oracle.custody.inventory() if str(v.key) == key)
    in_database(site.home.path, lambda db: db.execute(text(statement), {"key": key}))
    (found,) = findings(site)
    assert found == ("a/emv-ac/1" if "INSERT" in statement else key, "registry", what(kcv or ""))
