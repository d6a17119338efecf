"""What was changed since a mark, so that a proposal that fails is taken back alone."""

from __future__ import annotations

from typing import Any

_ABSENT = object()


class Journal:
    """Changes that can be taken back; ``clear()`` when they are committed."""

    def __init__(self) -> None:
        self._changes: list[tuple[Any, Any, Any, bool]] = []

    def put(self, target: Any, key: Any, value: Any) -> None:
        """Set an item of a dict or of a bytearray (a slice of the same length, too)."""
        old = target.get(key, _ABSENT) if isinstance(target, dict) else target[key]
        self._changes.append((target, key, old, False))
        target[key] = value

    def drop(self, target: dict[Any, Any], key: Any) -> None:
        """Take an item out of a dict."""
        self._changes.append((target, key, target.pop(key), False))

    def set(self, owner: object, name: str, value: Any) -> None:
        """Set an attribute."""
        self._changes.append((owner, name, getattr(owner, name), True))
        setattr(owner, name, value)

    def mark(self) -> int:
        """Return where the journal is now."""
        return len(self._changes)

    def back(self, mark: int) -> None:
        """Take back what was changed since a mark, newest first."""
        while len(self._changes) > mark:
            target, key, old, is_attribute = self._changes.pop()
            if is_attribute:
                setattr(target, key, old)
            elif old is _ABSENT:
                del target[key]
            else:
                target[key] = old

    def clear(self) -> None:
        """Forget how to go back."""
        self._changes.clear()
