"""A share between a custodian's own token and the HSM: wrapped, and the right one or none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.keyref import of_site
from kif.formats.secret import Secret
from kif.hsm.custodian import CustodianToken
from kif.hsm.form import derived_check_value
from kif.hsm.handover import Handover
from kif.hsm.key import released
from kif.hsm.token import Token
from tests.hsm.objects import nothing_left
from tests.owntoken import make_own_token

KEK, SITE = of_site("backup-kek"), "test-site"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> CustodianToken:
    """A custodian's token."""
    return make_own_token(tmp_path_factory.mktemp("own") / "token", "custodian-1")


@pytest.fixture
def handover(token: Token) -> Iterator[Handover]:
    with nothing_left(token), Handover(token, SITE, KEK, 1) as opened:
        yield opened


def back(token: Token, given: Handover, number: int = 1) -> Handover:
    return Handover(token, SITE, KEK, number, given.kcv)


@pytest.mark.control("KIF-HSM-11")
def test_a_share_that_a_token_made_comes_back(
    token: Token, own: CustodianToken, handover: Handover
) -> None:
    handover.receive(own.make(handover.label, handover.recipient()))
    with back(token, handover) as again:
        again.receive(own.hand_over(again.label, again.recipient()))
        share = again.take()
        with released(share):
            assert derived_check_value(share) == handover.kcv


@pytest.mark.control("KIF-HSM-11")
def test_of_an_attempt_that_was_interrupted_the_last_share_counts(
    token: Token, own: CustodianToken, handover: Handover
) -> None:
    own.make(handover.label, handover.recipient())
    handover.receive(own.make(handover.label, handover.recipient()))
    own.make(handover.label, handover.recipient())
    with back(token, handover) as again:
        given = own.hand_over(again.label, again.recipient())
        assert len(given) >= 3
        again.receive(given)
        assert again.kcv == handover.kcv


@pytest.mark.control("KIF-HSM-11")
def test_a_share_of_another_set_or_wrapped_to_another_key_is_told(
    token: Token, own: CustodianToken, handover: Handover
) -> None:
    wrapped = own.make(handover.label, handover.recipient())
    handover.receive(wrapped)
    with back(token, handover) as again:
        with pytest.raises(BadInput, match=f"This is not share 1 of {KEK}: its check value diff"):
            again.receive(own.make("another set", again.recipient()))
        with pytest.raises(BadInput, match=f"This is not share 1 of {KEK}"):
            again.receive(wrapped)  # to the pair of another handing over
        with pytest.raises(BadInput, match=f"There is no share 1 of {KEK} yet"):
            again.take()


@pytest.mark.control("KIF-HSM-11")
def test_a_pin_a_token_and_a_share_that_are_not_right_are_told(
    token: Token, own: CustodianToken, handover: Handover
) -> None:
    recipient = handover.recipient()
    wrong = replace(own, pin=Secret(b"TEST-9999"))
    with pytest.raises(BadInput, match="The token did not accept the PIN") as failed:
        wrong.make(handover.label, recipient)
    assert failed.value.control is Control.QUORUM
    assert "TEST-9999" not in str(failed.value)
    with pytest.raises(BadInput, match="There is no token with the label 'nobody'"):
        replace(own, place=replace(own.place, label="nobody")).make(handover.label, recipient)
    with pytest.raises(BadInput, match="The token has no 'test-site share 9 of site/backup-kek/1'"):
        own.hand_over(Handover(token, SITE, KEK, 9).label, recipient)
    with pytest.raises(BadInput, match="There is no token with the label"):
        missing = replace(own.place, library=Path("/nowhere/libtoken.so"))
        replace(own, place=missing).make(handover.label, recipient)


@pytest.mark.control("KIF-HSM-11")
def test_a_share_that_is_drawn_is_drawn_once(token: Token, handover: Handover) -> None:
    share, kcv = handover.draw()
    assert handover.draw() == (share, kcv)
    with back(token, handover) as again:
        again.enter(share)
        assert again.kcv == kcv
        with pytest.raises(BadInput, match="A share has 32 bytes; this one has 31"):
            again.enter(Secret(share.reveal()[:-1]))
