"""Preparing a batch: every record becomes a script, or nothing changes."""

from collections.abc import Callable

from kif.oracle.interface import BatchView, PreparationOracle
from kif.preparation.product import load_product
from kif.preparation.script import build_script


def prepare_batch(batch: str, oracle: PreparationOracle, advance: Callable[[], None]) -> BatchView:
    """Prepare every card of a batch; ``advance`` is called after each.

    Raises ``BadInput`` (PRODUCT) for a product without a profile.
    """
    product = load_product(oracle.batch(batch).product)
    scripts = {}
    for job in oracle.jobs(batch):
        scripts[job.id] = build_script(product, oracle.record(job.id)).encode()
        advance()
    return oracle.save_scripts(batch, scripts)
