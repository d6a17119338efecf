"""Published test vectors; README.md says where they come from."""

import json
from pathlib import Path
from typing import Any, cast


def load(name: str) -> list[dict[str, Any]]:
    """Return the vectors of one file: ``load("emv")``."""
    path = Path(__file__).with_name(f"{name}.json")
    return cast("list[dict[str, Any]]", json.loads(path.read_text(encoding="utf-8")))
