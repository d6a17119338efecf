"""``kif simulate``: a machine with simulated blank cards behind a virtual reader."""

from pathlib import Path

import click

from kif.simulator.fault import Fault
from kif.simulator.machine import serve
from kif.simulator.vendor import TEST_VENDOR, VENDORS


@click.command()
@click.option("--readers", default=1, show_default=True, type=click.IntRange(1, 8))
@click.option("--cards", type=click.IntRange(1), help="Blank cards in each hopper; else endless.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    help="Make a card special: wrong-cryptogram, bad-rmac, wrong-arqc, foreign, t0, "
    "keeps-keys, stays-open or wrong-signature @CARD; vanish, "
    "refuse or mute @CARD:COMMAND; for example vanish@3:5. May be repeated.",
)
@click.option("--record", type=click.Path(path_type=Path), help="Note each stacked card here.")
@click.option(
    "--keep", "folder", type=click.Path(path_type=Path), help="Keep every stacked card in here."
)
@click.option(
    "--insert",
    "inserted",
    metavar="CARD",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Put a card that was kept into the first reader, for any program to read.",
)
@click.option(
    "--vendor",
    default=TEST_VENDOR.name,
    show_default=True,
    type=click.Choice(sorted(VENDORS)),
    help="Whose blanks there are.",
)
@click.option("--contactless", is_flag=True, help="Have that card read over the air.")
def simulate(
    readers: int,
    cards: int | None,
    faults: tuple[str, ...],
    record: Path | None,
    folder: Path | None,
    inserted: Path | None,
    vendor: str,
    contactless: bool,
) -> None:
    """Start simulated cards behind a private pcscd; runs until it is interrupted."""
    serve(
        readers=readers,
        cards=cards,
        faults=[Fault.parse(each) for each in faults],
        record=record,
        folder=folder,
        inserted=inserted,
        contactless=contactless,
        vendor=VENDORS[vendor],
    )
