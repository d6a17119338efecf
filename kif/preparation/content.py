"""What blanks get before they are personalised: a load file, instances of its code, a domain."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from kif.formats.content import Content, Load
from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.script import Personalization, SecureChannel
from kif.preparation.lists import wrong_length
from kif.preparation.product import LoadFile, Product


def blank_content(product: Product, folder: Path | None) -> Content | None:
    """Return what is loaded and installed, None where blanks come with it.

    Raises ``BadInput`` (PRODUCT) for a load file that is not there, or another one.
    """
    if not product.instances:
        return None
    load = None if product.load is None else _load(product.load, folder)
    return Content(load, tuple(each.instance for each in product.instances))


def wrong_content(product: Product) -> Iterator[tuple[str, str]]:
    """Yield where blanks get code or instances that don't make the application: field, what."""
    named = [each.aid for each in product.instances]
    for each in product.instances:
        for told in (*wrong_length(0x4F, each.aid), *wrong_length(0x4F, each.module)):
            yield "instances", f"{each.aid}: {told}"
    if len(set(named)) < len(named):
        yield "instances", "an instance is made twice"
    if named and product.application not in named:
        yield "instances", f"none is the application {product.application}"
    if product.load is not None and product.load.package not in {
        each.package for each in product.instances
    }:
        yield "load", "no instance is made of the code that is loaded"


def wrong_domain(product: Product) -> Iterator[tuple[str, str]]:
    """Yield where the application can't get to a security domain of its own: field, what."""
    own = product.application_domain
    if own is None:
        return
    if not any(each.aid == own.aid and each.instance.is_domain for each in product.instances):
        yield "application_domain", f"no instance is a security domain {own.aid} (privilege 80)"
    if own.version in (product.key_version, product.domain_version):
        yield "application_domain", "its keys need another version than the card's have"
    if product.personalization is not Personalization.INSTALL:
        yield "personalization", "an application of another domain is personalised by install"
    if product.secure_channel is not SecureChannel.SCP03:
        yield "application_domain", "its keys come by SCP03"


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
