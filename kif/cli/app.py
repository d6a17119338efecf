"""What every command works with: the home, and the oracle once two people have opened the token."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from kif.preparation.product import Product

from kif.ceremony.destination import Destination
from kif.console.terminal import OpenedPin, ask_pin
from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.keyref import KeyRef
from kif.ledger.genesis import SO_PIN, USER_PIN
from kif.oracle.home import Home
from kif.oracle.local import LocalOracle, Officer, open_oracle
from kif.oracle.messages import BatchView, JobView
from kif.oracle.views import batch_named, issuer_names, key_views, operator_names
from kif.store.engine import Store, read_store


@dataclass(frozen=True)
class App:
    """The context of a command."""

    home: Home

    @contextmanager
    def oracle(self, *, officer: bool = False) -> Iterator[LocalOracle]:
        """Open the site: alone in the home, with the operators' passphrases.

        ``officer`` has custodians open the security officer's PIN as well.
        """
        self.home.require_site()
        with self.home.alone():
            opened = self.open_pin()
            asked = self.open_pin(SO_PIN) if officer else None
            officers = None if asked is None else Officer(asked.pin, asked.by)
            with open_oracle(self.home, opened.pin, opened.by, officers) as oracle:
                yield oracle

    def open_pin(self, purpose: str = USER_PIN) -> OpenedPin:
        """Have its holders open a PIN, for the token and library it was sealed for."""
        return ask_pin(self.home.seal, purpose, Destination.of(self.home.token_place()))

    def store(self) -> Store:
        """Open the database for reading, without the token."""
        self.home.require_site()
        return read_store(self.home.database)

    def key(self, reference: str) -> KeyRef:
        """Return the reference of a key that there is. Raises ``BadInput`` (KEY_FOUND)."""
        wanted = KeyRef.parse(reference)
        with self.store().reading() as tx:
            there = [view.key for view in key_views(tx.session)]
        told = f"There is no key {wanted}. 'kif key list' lists them."
        _require(wanted, there, Control.KEY_FOUND, told)
        return wanted

    def product(self, name: str) -> Product:
        """Return the profile of a product. Raises ``BadInput`` (PRODUCT)."""
        from kif.preparation.product import load_product  # with its library: few need it

        return load_product(name, self.home.products)

    def require_issuer(self, name: str, *, withdrawn: bool = False) -> None:
        """Require an issuer that is registered, or was. Raises ``BadInput`` (FILE_SIGNER)."""
        with self.store().reading() as tx:
            there = issuer_names(tx.session, withdrawn=withdrawn)
        told = f"There is no issuer '{name}'. 'kif issuer list' lists them."
        _require(name, there, Control.FILE_SIGNER, told)

    def require_operator(self, name: str) -> None:
        """Require one of the operators. Raises ``BadInput`` (DUAL_CONTROL)."""
        with self.store().reading() as tx:
            there = operator_names(tx.session)
        told = f"There is no operator '{name}'; there are {', '.join(there)}."
        _require(name, there, Control.DUAL_CONTROL, told)

    def batch(self, named: str) -> str:
        """Return the id of a batch by its id, the beginning of one, or the issuer's reference."""
        with self.store().reading() as tx:
            return batch_named(tx.session, named)


def _require(wanted: object, there: Collection[object], control: Control, sentence: str) -> None:
    """Refuse what is not there, before anyone types a passphrase."""
    if wanted not in there:
        raise BadInput(control, sentence)


pass_app = click.make_pass_decorator(App)


def _batch(context: click.Context, _: click.Parameter, named: str) -> str:
    """Find the batch before anyone types a passphrase."""
    app: App = context.obj
    return app.batch(named)


def batch_argument(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command its BATCH: an id, the beginning of one, or the issuer's reference."""
    return click.argument("batch_id", metavar="BATCH", callback=_batch)(command)


def form_option(command: Callable[..., None]) -> Callable[..., None]:
    """Give a listing its ``--json`` and ``--csv``."""
    as_csv = click.option("--csv", "form", flag_value="csv", help="CSV instead of a table.")
    as_json = click.option("--json", "form", flag_value="json", help="JSON instead of a table.")
    in_a_table = click.option("--table", "form", flag_value="table", default=True, hidden=True)
    return in_a_table(as_json(as_csv(command)))


def batch_fields(view: BatchView) -> dict[str, object]:
    """Return a batch as a row of a listing."""
    fields = asdict(view)
    jobs = {state.value: count for state, count in sorted(view.jobs.items())}
    return fields | {"state": view.state.value, "jobs": jobs}


def job_fields(view: JobView) -> dict[str, object]:
    """Return a card job as a row of a listing."""
    fields = asdict(view) | {"state": view.state.value}
    del fields["id"]
    return fields
