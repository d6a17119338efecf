"""A strict reader of BER (ITU-T X.690) for CMS: definite and indefinite lengths, linear, bounded.

Only what CMS needs: elements, their children, and the whole of a string that was sent in pieces.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from kif.formats.control import Control
from kif.formats.error import BadInput

INTEGER, OCTET_STRING, OID, SEQUENCE, SET = 0x02, 0x04, 0x06, 0x30, 0x31
_CONSTRUCTED = 0x20
_DEPTH = 32
_CHILDREN = 100_000
_NUMBER = 64
"""Bytes of an integer or object identifier; CMS needs 20 or so, and Python's time is quadratic."""
_END = b"\x00\x00"
_NULL = b"\x05\x00"


def context(number: int, constructed: bool = True) -> int:
    """Return the identifier octet of a context-specific tag [number]."""
    return 0x80 | number | (_CONSTRUCTED if constructed else 0)


@dataclass(frozen=True, slots=True)
class Element:
    """One element: its identifier octet, its contents, and all of its bytes as they stand."""

    tag: int
    contents: memoryview
    raw: memoryview
    depth: int

    def children(self) -> list[Element]:
        """Read the contents as a sequence of elements. Raises ``BadInput`` (BYTES)."""
        if not self.tag & _CONSTRUCTED:
            raise _bad(f"element {self.tag:02X} has no parts")
        found = list(islice(_elements(self.contents, self.depth + 1), _CHILDREN + 1))
        if len(found) > _CHILDREN:
            raise _bad(f"more than {_CHILDREN} parts stand in one element")
        return found

    def parts(self, count: int) -> list[Element]:
        """Return the children, which have to be so many. Raises ``BadInput`` (BYTES)."""
        children = self.children()
        if len(children) != count:
            raise _bad(f"{count} parts were expected, {len(children)} were found")
        return children

    def expect(self, tag: int) -> Element:
        """Return the element itself when it has this tag. Raises ``BadInput`` (BYTES)."""
        if self.tag != tag:
            raise _bad(f"element {tag:02X} was expected, {self.tag:02X} was found")
        return self

    def octets(self, tag: int = OCTET_STRING) -> bytes:
        """Return the whole of an octet string of this tag, primitive or in pieces (8.7)."""
        if self.tag == tag:
            return bytes(self.contents)
        self.expect(tag | _CONSTRUCTED)
        return b"".join(piece.octets() for piece in self.children())

    def algorithm(self) -> tuple[str, list[Element]]:
        """Return an AlgorithmIdentifier's object identifier and parameters; NULL is none."""
        kind, *parameters = self.expect(SEQUENCE).children()
        if len(parameters) > 1:
            raise _bad("an algorithm has more than one parameter")
        return kind.oid(), [each for each in parameters if bytes(each.raw) != _NULL]

    def integer(self) -> int:
        """Return an INTEGER's value."""
        contents = self.expect(INTEGER).contents
        if not 1 <= len(contents) <= _NUMBER:
            raise _bad(f"an integer has {len(contents)} bytes, not 1 to {_NUMBER}")
        return int.from_bytes(contents, "big", signed=True)

    def oid(self) -> str:
        """Return an OBJECT IDENTIFIER in dots (8.19)."""
        contents = self.expect(OID).contents
        if not 1 <= len(contents) <= _NUMBER or contents[-1] & 0x80:
            raise _bad("an object identifier is empty, too long or cut off")
        numbers, value = [], 0
        for byte in contents:
            value = value << 7 | byte & 0x7F
            if not byte & 0x80:
                numbers.append(value)
                value = 0
        first = min(numbers[0] // 40, 2)
        return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))


def read(raw: bytes) -> Element:
    """Read bytes that are exactly one element. Raises ``BadInput`` (BYTES)."""
    view = memoryview(raw)
    element, end = _element(view, 0, 0)
    if end != len(view):
        raise _bad(f"{len(view) - end} bytes follow the end")
    return element


def _elements(view: memoryview, depth: int) -> Iterator[Element]:
    at = 0
    while at < len(view):
        element, at = _element(view, at, depth)
        yield element


def _element(view: memoryview, at: int, depth: int) -> tuple[Element, int]:
    if depth > _DEPTH:
        raise _bad(f"more than {_DEPTH} levels stand in one another")
    tag, length, start = _head(view, at)
    if length is None:
        end = _end_of_indefinite(view, start)
        return Element(tag, view[start:end], view[at : end + 2], depth), end + 2
    end = start + length
    if end > len(view):
        raise _bad(f"{end - len(view)} bytes are missing at the end")
    return Element(tag, view[start:end], view[at:end], depth), end


def _head(view: memoryview, at: int) -> tuple[int, int | None, int]:
    """Return identifier octet, length (None: indefinite) and where the contents start."""
    if at + 2 > len(view):
        raise _bad("an element's head is cut off")
    tag, first = view[at], view[at + 1]
    if tag & 0x1F == 0x1F:
        raise _bad("a tag above 30 is not used in CMS")
    if first < 0x80:
        return tag, first, at + 2
    if first == 0x80:
        if not tag & _CONSTRUCTED:
            raise _bad("a primitive element has no length")
        return tag, None, at + 2
    size = first & 0x7F
    if size > 8 or at + 2 + size > len(view):
        raise _bad("a length is cut off or too long")
    return tag, int.from_bytes(view[at + 2 : at + 2 + size], "big"), at + 2 + size


def _end_of_indefinite(view: memoryview, at: int) -> int:
    """Return where the end-of-contents of an indefinite element stands, by one flat walk."""
    open_levels = 1
    while True:
        if bytes(view[at : at + 2]) == _END:
            open_levels -= 1
            if not open_levels:
                return at
            at += 2
            continue
        _, length, start = _head(view, at)
        if length is None:
            open_levels += 1
            if open_levels > _DEPTH:
                raise _bad(f"more than {_DEPTH} levels stand in one another")
        at = start + (length or 0)


def _bad(what: str) -> BadInput:
    return BadInput(Control.BYTES, f"The BER encoding is broken: {what}.")
