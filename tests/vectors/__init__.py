"""Published test vectors; README.md says where they come from."""

import json
from functools import cache
from pathlib import Path
from typing import Any, cast

KNOWN_ANSWERS = Path(__file__).with_name("known-answers.json")


def load(category: str) -> list[dict[str, Any]]:
    """Return the vectors of one category: ``load("EMV-MK")``."""
    return [each for each in _all() if each["cat"] == category]


@cache
def _all() -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", json.loads(KNOWN_ANSWERS.read_text(encoding="utf-8")))
