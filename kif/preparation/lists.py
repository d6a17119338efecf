"""What is wrong with a data element's value by itself: its length, an object list, a CVM list.

EMV Book 3: data object lists (5.4), CVM list (10.5 and annex C3).
"""

from __future__ import annotations

from collections.abc import Iterator

from kif.formats.cvm import AMOUNTS, GO_ON
from kif.formats.elements import ELEMENTS, RESPONSE_CODE, name_of
from kif.formats.error import BadInput
from kif.formats.tlv import read_dol

UNPREDICTABLE_NUMBER = 0x9F37
_RESERVED = 0x80
_METHODS = frozenset(range(6)) | {0x1E, 0x1F}
_CONDITIONS = frozenset(range(10))


def wrong_length(tag: int, value: str) -> Iterator[str]:
    """Yield what is wrong with the length of a data element, hex."""
    size, element = len(value) // 2, ELEMENTS[tag]
    if not element.least <= size <= element.most:
        wanted = str(element.least)
        if element.least < element.most:
            wanted = f"{element.least} to {element.most}"
        yield f"{element.name} has {wanted} bytes, not {size}"


def wrong_list(field: str, value: str) -> Iterator[str]:
    """Yield what is wrong with a data object list, hex."""
    try:
        wanted = read_dol(bytes.fromhex(value))
    except BadInput as error:
        yield f"it is no list of tags and lengths: {error.sentence}"
        return
    for tag, size in wanted:
        element = ELEMENTS.get(tag)
        if element is not None and not element.least <= size <= element.most:
            yield f"{tag:X} ({element.name}) is asked for with {size} bytes"
    total = sum(size for _, size in wanted)
    if total > 252:
        yield f"what it asks for has {total} bytes, more than a command carries"
    tags = {tag for tag, _ in wanted}
    if field != "pdol" and UNPREDICTABLE_NUMBER not in tags:
        yield f"without 9F37 ({name_of(0x9F37)}) a cryptogram can be played back"
    if field == "cdol2" and RESPONSE_CODE not in tags:
        yield f"without 8A ({name_of(0x8A)}) the card is not told what was decided"


def wrong_rules(cvm_list: str) -> Iterator[str]:
    """Yield what is wrong with a CVM list, hex, whatever the card has."""
    raw = bytes.fromhex(cvm_list)
    amounts, rules = raw[:AMOUNTS], raw[AMOUNTS:]
    if len(rules) % 2:
        yield "a rule has two bytes, and the last one has one"
        return
    for code, condition in zip(rules[::2], rules[1::2], strict=True):
        if code & _RESERVED or code & ~GO_ON not in _METHODS:
            yield f"there is no method {code:02X}"
        if condition not in _CONDITIONS:
            yield f"there is no condition {condition:02X}"
        if condition in (6, 7) and not any(amounts[:4]):
            yield f"condition {condition:02X} is over amount X, which is zero"
        if condition in (8, 9) and not any(amounts[4:]):
            yield f"condition {condition:02X} is over amount Y, which is zero"
    if rules and rules[-2] & GO_ON:
        yield "the last rule goes on to a next one, which there is not"
