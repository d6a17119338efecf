"""``kif issuer``: the issuer register."""

from pathlib import Path

import click
from cryptography.hazmat.primitives.hashes import SHA256

from kif.cli.app import App, form_option, pass_app
from kif.console.table import show
from kif.formats.certificate import read_certificate, require_signer
from kif.formats.issuercertificate import IssuerCertificate
from kif.formats.keyref import KeyRef
from kif.formats.purpose import ENVELOPE_RECIPIENT
from kif.oracle.audit import state_of
from kif.oracle.messages import IssuerView
from kif.oracle.views import issuer_views


@click.group()
def issuer() -> None:
    """The issuers whose files are accepted."""


_CERTIFICATE = click.Path(path_type=Path, exists=True, dir_okay=False)


@issuer.command()
@click.argument("name")
@click.argument("certificate", type=_CERTIFICATE)
@pass_app
def register(app: App, name: str, certificate: Path) -> None:
    """Register an issuer with the CERTIFICATE that its files are signed with."""
    raw = certificate.read_bytes()
    require_signer(raw)  # before anyone types a passphrase
    with app.oracle() as oracle:
        oracle.supervision.register_issuer(name, raw)
    click.echo(f"{name} is registered.")


@issuer.command()
@click.argument("name")
@click.argument("certificate", type=_CERTIFICATE)
@click.option("--reason", required=True, help="Why.")
@pass_app
def renew(app: App, name: str, certificate: Path, reason: str) -> None:
    """Give an issuer another CERTIFICATE, or take it back in with one."""
    raw = certificate.read_bytes()
    require_signer(raw)
    app.require_issuer(name, withdrawn=True)
    with app.oracle() as oracle:
        oracle.supervision.renew_issuer(name, raw, reason)
    click.echo(f"{name} signs with another certificate from now on.")


@issuer.command()
@click.argument("name")
@click.option("--reason", required=True, help="Why.")
@pass_app
def withdraw(app: App, name: str, reason: str) -> None:
    """Accept no file of an issuer from now on; its batches go on."""
    app.require_issuer(name)
    with app.oracle() as oracle:
        oracle.supervision.withdraw_issuer(name, reason)
    click.echo(f"{name} is withdrawn; its files are refused from now on.")


@issuer.command("list")
@form_option
@pass_app
def list_issuers(app: App, form: str) -> None:
    """List the registered issuers and their certificates."""
    with app.store().reading() as tx:
        rows = [_fields(view) for view in issuer_views(tx.session)]
    show(rows, form, "No issuer is registered.")


def _fields(view: IssuerView) -> dict[str, object]:
    certificate = read_certificate(view.certificate)
    return {
        "name": view.name,
        "sha256": certificate.fingerprint(SHA256()).hex(),
        "valid_until": certificate.not_valid_after_utc.date().isoformat(),
    }


@issuer.command()
@click.option("--verifier", help="The log's key as you noted it at the genesis: name+id+key.")
@pass_app
def recipient(app: App, verifier: str | None) -> None:
    """Print the certificate (PEM) that issuers encrypt their files to, out of the log.

    Without --verifier the log's key is taken from the very database that it comes from.
    """
    genesis = state_of(app.home, verifier).genesis
    click.echo(genesis.certificate(ENVELOPE_RECIPIENT), nl=False)


@issuer.command()
@form_option
@click.option("--verifier", help="The log's key as you noted it at the genesis: name+id+key.")
@pass_app
def schemes(app: App, form: str, verifier: str | None) -> None:
    """List the issuers' keys that a payment scheme has certified, with the scheme's keys.

    As JSON it is what 'kif card read --scheme-keys' takes.
    """
    certificates = state_of(app.home, verifier).schemes.certificates
    rows = [_certified(key, made, form) for key, made in sorted(certificates.items())]
    show(rows, form, "No key is certified by a scheme.")


def _certified(key: KeyRef, made: IssuerCertificate, form: str) -> dict[str, object]:
    found, scheme = made.opened(), made.scheme
    row: dict[str, object] = {
        "key": str(key),
        "issuer": found.identifier,
        "bits": 8 * found.key.size,
        "valid_until": found.valid_to,
        "rid": scheme.rid.hex().upper(),
        "index": f"{scheme.index:02X}",
        "checksum": scheme.checksum,
    }
    if form == "json":
        row["modulus"] = scheme.key.modulus.hex().upper()
        row["exponent"] = scheme.key.exponent.hex().upper()
    return row
