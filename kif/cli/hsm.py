"""``kif hsm``: the token itself."""

import hashlib
from collections import Counter
from pathlib import Path

import click

from kif.ceremony.acceptance import accept_library
from kif.cli.app import App, form_option, pass_app
from kif.console.table import show
from kif.console.terminal import ask_holders
from kif.hsm.doctor import examine, examine_token
from kif.hsm.kat.run import Result, Verdict, run
from kif.hsm.kat.throwaway import is_software, throwaway_token
from kif.hsm.kat.vector import of_category, read
from kif.hsm.library import library_digest, softhsm_library
from kif.hsm.promises import tried
from kif.ledger.genesis import USER_PIN


@click.group()
def hsm() -> None:
    """The HSM behind the site."""


@hsm.command()
@click.option("--library", type=click.Path(path_type=Path), help="A PKCS#11 library to examine.")
@form_option
@pass_app
def doctor(app: App, library: Path | None, form: str) -> None:
    """Say what the token can do, where keys are clear, and which promises it breaks.

    Promises are tried on software tokens alone. Ends with 1 when something is missing or broken.
    """
    path = library or _library(app)
    if is_software(path):
        with throwaway_token(path) as token:
            findings, promises = examine_token(token), tried(token)
    else:
        findings, promises = examine(path), []
    rows = [
        {
            "feature": each.feature,
            "available": "yes" if each.available else "no",
            "boundary": each.boundary,
            "missing": ", ".join(each.missing),
            "means": each.means,
        }
        for each in findings
    ]
    rows += [
        {
            "feature": f"promise: {each.what}",
            "available": "yes" if each.kept else "no",
            "boundary": "",
            "missing": "",
            "means": "" if each.kept else each.means,
        }
        for each in promises
    ]
    show(rows, form, "Nothing was examined.")
    if any(row["available"] == "no" for row in rows):
        raise SystemExit(1)


@hsm.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--category", help="Try the vectors of this category alone.")
@click.option("--library", type=click.Path(path_type=Path), help="The PKCS#11 library to try.")
@click.option("--record", is_flag=True, help="Put the result on the site's record.")
@form_option
@pass_app
def kat(
    app: App, file: Path, category: str | None, library: Path | None, record: bool, form: str
) -> None:
    """Run known answers: FILE's test vectors, by production code, on a throw-away token.

    Ends with 1 when one fails. What is skipped says why.
    """
    if record and category is not None:
        raise click.UsageError("--record puts the result of a whole file on the record.")
    vectors = of_category(read(file), category)
    path = library or _library(app)
    if record:
        app.home.require_site()
    with throwaway_token(path) as token:
        results = list(run(token, vectors))
    show([_result_row(each) for each in results], form, "There is no vector.")
    counts = Counter(each.verdict for each in results)
    if record:
        _record(app, path, file, counts)
    if form == "table":
        click.echo(", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict))
    if counts[Verdict.FAILED]:
        raise SystemExit(1)


def _library(app: App) -> Path:
    return app.home.token_place().library if app.home.exists else softhsm_library()


def _result_row(result: Result) -> dict[str, str]:
    return {
        "id": result.vector.id,
        "category": result.vector.category,
        "verdict": result.verdict.value,
        "boundary": result.boundary,
        "detail": result.detail,
    }


def _record(app: App, library: Path, file: Path, counts: Counter[Verdict]) -> None:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    passed, failed, skipped = (counts[verdict] for verdict in Verdict)
    with app.oracle() as oracle:
        oracle.supervision.record_test(
            str(library), library_digest(library), digest, (passed, failed, skipped)
        )


@hsm.command("accept-library")
@click.option("--digest", required=True, help="The SHA-256 (hex) that the new library file has.")
@pass_app
def accept(app: App, digest: str) -> None:
    """Accept an updated PKCS#11 library: both holders of the PIN seal it anew for this file."""
    app.home.require_site()
    with app.home.alone():
        holders = ask_holders(app.home.seal, USER_PIN)
        accepted = accept_library(app.home, holders, digest)
    click.echo(f"The PIN is sealed for {accepted.library} ({accepted.library_digest}).")
