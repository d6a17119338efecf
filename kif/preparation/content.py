"""What blanks get before they are personalised: a load file, and instances of its code."""

from __future__ import annotations

import hashlib
from pathlib import Path

from kif.formats.content import Content, Instance, Load
from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.preparation.product import LoadFile, Product


def blank_content(product: Product, folder: Path | None) -> Content | None:
    """Return what is loaded and installed, None where blanks come with it.

    Raises ``BadInput`` (PRODUCT) for a load file that is not there, or another one.
    """
    if not product.instances:
        return None
    load = None if product.load is None else _load(product.load, folder)
    return Content(load, tuple(Instance(**each.model_dump()) for each in product.instances))


def _load(wanted: LoadFile, folder: Path | None) -> Load:
    path = (folder or Path()) / wanted.file
    try:
        code = path.read_bytes()
    except OSError:
        raise BadInput(
            Control.PRODUCT, f"The load file {path} can't be read. Put it beside the profile."
        ) from None
    found = hashlib.sha256(code).hexdigest()
    if found != wanted.sha256:
        raise BadInput(
            Control.PRODUCT,
            f"The load file {path} is another one: its SHA-256 is {found}, and the profile says "
            f"{wanted.sha256}.",
        )
    return Load(wanted.package, found, len(code))
