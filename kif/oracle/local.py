"""The oracle in process: opens a home's token and database, recovers, and seats its desks.

>>> with home.alone(), open_oracle(home, pin) as oracle:
...     receive_file(path, oracle.gateway, now)
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select

from kif.formats.secret import Secret
from kif.hsm.token import Token
from kif.ledger.log import Log
from kif.oracle.checking import Checking, Dispatch, Printing
from kif.oracle.desk import Desk
from kif.oracle.home import Home
from kif.oracle.injection import Injection
from kif.oracle.keys import SiteKeys
from kif.oracle.preparing import Preparing
from kif.oracle.reception import Reception
from kif.oracle.recovery import recover
from kif.oracle.supervision import Supervision
from kif.store.engine import Store, open_store
from kif.store.models import Site


@dataclass(frozen=True)
class LocalOracle:
    """Implements :class:`kif.oracle.interface.Oracle`."""

    gateway: Reception
    preparation: Preparing
    supervision: Supervision
    chip: Injection
    graphics: Printing
    quality: Checking
    fulfilment: Dispatch


def now() -> datetime:
    """Return the time, aware, in UTC."""
    return datetime.now(UTC)


@contextmanager
def open_oracle(home: Home, pin: Secret) -> Iterator[LocalOracle]:
    """Open the site of a home that this process holds (``home.alone()``).

    Raises ``Refused`` (SITE) without a site, ``DeviceFailed`` for the HSM.
    """
    home.require_site()
    store = open_store(home.database)
    store.migrate()
    with Token.open(home.token_place(), pin) as token:
        desk = _desk(token, store)
        recover(desk)
        yield LocalOracle(
            Reception(desk, now),
            Preparing(desk),
            Supervision(desk),
            Injection(desk),
            Printing(desk),
            Checking(desk),
            Dispatch(desk),
        )


def _desk(token: Token, store: Store) -> Desk:
    with store.reading() as tx:
        origin = tx.session.scalars(select(Site)).one().name
    keys = SiteKeys.find(token, origin)
    return Desk(keys, store, Log(keys.log_signer, now, os.urandom))
