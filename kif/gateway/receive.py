"""Receiving an issuer's file: all of it becomes a batch, or nothing does."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from kif.formats.control import Control
from kif.formats.error import BadInput, KifError, Refused
from kif.gateway.enveloped import open_enveloped
from kif.gateway.records import read_content
from kif.gateway.signed import open_signed
from kif.oracle.interface import GatewayOracle
from kif.oracle.messages import BatchView

LIMIT = 64 * 1024 * 1024


def receive_file(
    path: Path,
    oracle: GatewayOracle,
    now: datetime,
    require_product: Callable[[str], object],
    *,
    again: bool = False,
) -> BatchView:
    """Receive a file. ``now`` is aware; ``require_product`` refuses a product without profile.

    1. Read it; 2. decrypt it in the HSM; 3. verify the issuer's signature; 4. check every record,
    count and hash total, and the product; 5. admit it as a batch, with cards that came before only
    when they may come ``again``. A refusal after 1 is recorded, then raised.
    """
    raw = _bytes(path)  # 1
    digest = hashlib.sha256(raw).hexdigest()
    try:
        signed = open_enveloped(raw, oracle)  # 2
        issuer, content = open_signed(signed, oracle.issuers(), now)  # 3
        file = read_content(content, issuer, digest, now.date())  # 4
        require_product(file.product)
        return oracle.admit(file, again=again)  # 5
    except (BadInput, Refused) as refused:
        _record(oracle, digest, refused)
        raise


def _record(oracle: GatewayOracle, digest: str, refused: KifError) -> None:
    oracle.refuse_file(digest, refused.control, refused.sentence)


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(LIMIT + 1)
    except OSError as exc:
        raise BadInput(
            Control.FILE_INTACT, f"The file {path} can't be read: {exc.strerror}."
        ) from exc
    if not raw:
        raise BadInput(Control.FILE_INTACT, f"The file {path} is empty. Ask the issuer for it.")
    if len(raw) > LIMIT:
        raise BadInput(
            Control.FILE_INTACT,
            f"The file {path} has more than {LIMIT:,} bytes, and the whole of it is held in "
            "memory. Ask the issuer to send it in parts.",
        )
    return raw
