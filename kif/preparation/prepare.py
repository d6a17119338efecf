"""Preparing a batch: every record becomes a script, or nothing changes."""

from collections.abc import Callable

from kif.formats.control import Control
from kif.formats.error import CheckFailed
from kif.oracle.interface import BatchView, PreparationOracle
from kif.preparation.product import load_product, profile_digest
from kif.preparation.script import build_script


def prepare_batch(batch: str, oracle: PreparationOracle, advance: Callable[[], None]) -> BatchView:
    """Prepare every card of a batch; ``advance`` is called after each.

    A card whose record can't be opened becomes suspect, and the rest is prepared. Raises
    ``BadInput`` (PRODUCT) for a product without a profile.
    """
    name = oracle.batch(batch).product
    product, profile = load_product(name), profile_digest(name)
    scripts = {}
    for job in oracle.jobs(batch):
        try:
            scripts[job.id] = build_script(product, oracle.record(job.id)).encode()
        except CheckFailed as fault:
            if fault.control is not Control.DATA_AT_REST:
                raise
            oracle.suspect(job.id, fault.control, fault.sentence)
        advance()
    return oracle.save_scripts(batch, profile, scripts)
