"""Preparing a batch: every record becomes a script, or nothing changes."""

from collections.abc import Callable, Sequence

from kif.formats.control import Control
from kif.formats.error import CheckFailed
from kif.formats.keyref import KeyRef
from kif.oracle.interface import BatchView, PreparationOracle
from kif.preparation.product import load_product, profile_digest
from kif.preparation.script import build_script


def prepare_batch(
    batch: str,
    oracle: PreparationOracle,
    advance: Callable[[], None],
    chosen: Sequence[KeyRef] = (),
) -> BatchView:
    """Prepare every card of a batch; ``advance`` is called after each.

    Its keys are the newest active ones for what the product's profile names, or ``chosen``.

    A card whose record can't be opened becomes suspect, and the rest is prepared. Raises
    ``BadInput`` (PRODUCT) for a product without a profile.
    """
    name = oracle.batch(batch).product
    product, profile = load_product(name), profile_digest(name)
    keys = oracle.resolve(batch, product.wanted, chosen)
    scripts = {}
    for job in oracle.jobs(batch):
        try:
            scripts[job.id] = build_script(product, keys, oracle.record(job.id)).encode()
        except CheckFailed as fault:
            if fault.control is not Control.DATA_AT_REST:
                raise
            oracle.suspect(job.id, fault.control, fault.sentence)
        advance()
    return oracle.save_scripts(batch, profile, tuple(keys.values()), scripts)
