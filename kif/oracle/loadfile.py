"""Load files of products: data blocks that lie beside the profiles, found by their digest."""

from __future__ import annotations

import hashlib
from pathlib import Path

from kif.formats.control import Control
from kif.formats.error import BadInput

ENDING = ".lfdb"


def load_file(folder: Path, digest: str) -> bytes:
    """Return the data block with this SHA-256 (hex). Raises ``BadInput`` (PRODUCT)."""
    for path in sorted(folder.glob(f"*{ENDING}")):
        code = path.read_bytes()
        if hashlib.sha256(code).hexdigest() == digest:
            return code
    raise BadInput(
        Control.PRODUCT,
        f"No load file in {folder} has the SHA-256 {digest}, which the released profile names. "
        f"Put it there, as NAME{ENDING}.",
    )
