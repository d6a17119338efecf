"""What a refusal is: a sentence, and a state that is as before."""

from __future__ import annotations

from enum import Enum

import pytest

from kif.formats.error import KifError
from kif.ledger.event import Event
from tests.ledger.history import World

CACHES = ("_rules", "_of_genesis", "journal", "_journal", "_openers")


def everything(state: object) -> str:
    """Return all that a state holds, to be compared."""

    def told(value: object) -> object:
        if isinstance(value, dict):
            return {str(key): told(each) for key, each in value.items()}
        if isinstance(value, Enum) or not hasattr(value, "__dict__"):
            return repr(value)
        kept = {k: v for k, v in vars(value).items() if k not in CACHES}
        return {name: told(each) for name, each in kept.items()}

    return repr(told(state))


def refused(world: World, event: Event, words: str) -> KifError:
    """Require that an event is refused with a sentence, and changes nothing at all."""
    before = everything(world.state)
    with pytest.raises(KifError) as error:
        world.admit(event)
    assert words in error.value.sentence, error.value.sentence
    assert everything(world.state) == before
    return error.value
