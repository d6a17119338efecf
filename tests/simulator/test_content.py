"""Code in the simulated card: what it takes, and what it refuses (GPC 2.3.1, 11.5 and 11.6)."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from kif.formats.apdu import Command
from kif.formats.content import (
    Instance,
    Load,
    install_for_load,
    install_instance,
    load_blocks,
)
from kif.formats.error import BadInput
from kif.simulator.card import Card
from kif.simulator.content import (
    APPLICATION_MODULE,
    APPLICATION_PACKAGE,
    DOMAIN_MODULE,
    DOMAIN_PACKAGE,
    load_file,
)
from kif.simulator.emv import APPLICATION_AID
from kif.simulator.vendor import BARE_TEST_VENDOR
from tests.simulator.host import Host

CODE = load_file(APPLICATION_MODULE)
LOAD = Load(APPLICATION_PACKAGE.hex(), hashlib.sha256(CODE).hexdigest(), len(CODE))
APPLICATION = Instance(
    APPLICATION_PACKAGE.hex(), APPLICATION_MODULE.hex(), APPLICATION_AID.hex(), "00", "0102"
)
DOMAIN = Instance(DOMAIN_PACKAGE.hex(), DOMAIN_MODULE.hex(), "A00000015153504B494601", "80")


def opened() -> tuple[Card, Host]:
    card = Card(vendor=BARE_TEST_VENDOR)
    host = Host(card.apdu, manager=BARE_TEST_VENDOR.keys[0])
    assert host.open().ok
    return card, host


def loaded(host: Host, load: Load = LOAD, code: bytes = CODE, most: int = 20) -> int:
    """Load code; return the status word of the last answer, or of the first refusal."""
    status = 0
    for command in (install_for_load(load), *load_blocks(code, most)):
        status = host.secured(command).sw
        if status != 0x9000:
            break
    return status


def test_a_command_reads_as_the_specification_has_it() -> None:
    assert install_for_load(replace(LOAD, digest="AB" * 32)).encode().hex().upper() == (
        "80E602002C" + "07A0000000999900" + "00" + "20" + "AB" * 32 + "0000" + "00"
    )
    assert install_instance(APPLICATION).encode().hex().upper() == (
        "80E60C0021" + "07A0000000999900" + "08A000000099990001" + "07A0000000999999" + "0100"
        "04C9020102" + "00" + "00"
    )
    first, last = load_blocks(bytes(20), 12)
    assert (first.p1, first.p2, last.p1, last.p2) == (0x00, 0, 0x80, 1)
    assert first.data + last.data == b"\xc4\x14" + bytes(20)


def test_code_is_loaded_and_instances_are_made() -> None:
    card, host = opened()
    assert host.secured(install_instance(APPLICATION)).sw == 0x6A80  # there is no code yet
    assert loaded(host) == 0x9000
    assert host.secured(install_instance(APPLICATION)).data == b"\x00"
    assert host.secured(install_instance(DOMAIN)).ok
    assert host.secured(install_instance(DOMAIN)).sw == 0x6A80  # it is there already
    assert card.registry.applications == [APPLICATION_AID, bytes.fromhex(DOMAIN.aid)]
    assert DOMAIN.is_domain
    assert not APPLICATION.is_domain
    told = host.secured(Command(0x80, 0xF2, 0x40, 0x02, b"\x4f\x00", 256)).data.hex().upper()
    assert f"{DOMAIN.aid}9F700107C503800000CC08A000000151000000" in told
    assert host.plain(Command(0, 0xA4, 4, 0, bytes.fromhex(DOMAIN.aid), 256)).ok


BAD: dict[str, tuple[Load, bytes, int]] = {
    "another hash": (replace(LOAD, digest="00" * 32), CODE, 0x6A80),
    "no hash": (replace(LOAD, digest=""), CODE, 0x6A80),
    "no code": (LOAD, b"CAP", 0x6A80),
    "code of nothing": (LOAD, load_file(), 0x6A80),
    "a short name": (replace(LOAD, package="A0"), CODE, 0x6A80),
    "one that is in its ROM": (replace(LOAD, package=DOMAIN_PACKAGE.hex()), CODE, 0x6985),
}


@pytest.mark.parametrize("case", BAD)
def test_code_that_is_not_right_is_not_loaded(case: str) -> None:
    load, code, status = BAD[case]
    card, host = opened()
    assert loaded(host, load, code) == status
    assert APPLICATION_PACKAGE not in card.registry.code.packages


def test_blocks_come_in_their_order_and_in_one_session() -> None:
    card, host = opened()
    first, second, *_ = load_blocks(CODE, 10)
    assert host.secured(first).sw == 0x6985
    assert host.secured(install_for_load(LOAD)).ok
    assert host.secured(second).sw == 0x6A86
    assert host.secured(first).sw == 0x6985  # it begins anew with INSTALL
    assert host.secured(install_for_load(LOAD)).ok
    assert host.secured(first).ok
    again = Host(card.apdu, manager=BARE_TEST_VENDOR.keys[0])
    assert again.open().ok
    assert again.secured(second).sw == 0x6985


WRONG: dict[str, Instance] = {
    "a domain without its privilege": replace(DOMAIN, privileges="00"),
    "an application with a domain's": replace(APPLICATION, privileges="80"),
    "a name that the code does not know": replace(APPLICATION, aid="A00000009999AA"),
    "a module that is in no package": replace(APPLICATION, module="A0000000999AA0"),
    "privileges of two bytes": replace(DOMAIN, privileges="8000"),
    "a short name": replace(DOMAIN, aid="A000"),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_instance_that_can_not_be_is_not_made(case: str) -> None:
    card, host = opened()
    assert loaded(host) == 0x9000
    assert host.secured(install_instance(WRONG[case])).sw == 0x6A80
    assert card.registry.applications == []


@pytest.mark.parametrize("data", [b"", b"\x05abc", bytes(4), bytes(7)])
def test_install_with_other_fields_is_refused(data: bytes) -> None:
    _, host = opened()
    assert host.secured(Command(0x80, 0xE6, 0x02, 0, data, 256)).sw == 0x6A80
    assert host.secured(Command(0x80, 0xE6, 0x0C, 0, data, 256)).sw == 0x6A80


def test_an_application_that_was_deleted_is_made_anew_and_empty() -> None:
    card, host = opened()
    assert loaded(host) == 0x9000
    assert host.secured(install_instance(APPLICATION)).ok
    card.application.personalised = True
    delete = Command(0x80, 0xE4, 0, 0, b"\x4f\x07" + APPLICATION_AID, 256)
    assert host.secured(delete).ok
    assert host.secured(install_instance(APPLICATION)).ok
    assert not card.application.personalised


@pytest.mark.control("KIF-FMT-01")
def test_code_that_needs_too_many_blocks_is_refused() -> None:
    with pytest.raises(BadInput, match="needs 257 blocks"):
        list(load_blocks(bytes(2560 - 4 + 1), 10))
