"""Preparing a batch: every record becomes a script, or nothing changes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from kif.formats.control import Control
from kif.formats.error import BadInput, CheckFailed
from kif.formats.keyref import KeyRef
from kif.formats.purpose import (
    CARD_VERIFICATION,
    EMV_ISSUER,
    PIN_VERIFICATION,
    PIN_ZONE,
)
from kif.formats.script import Artwork, Pin
from kif.formats.secret import Secret
from kif.oracle.interface import PreparationOracle
from kif.oracle.messages import BatchView, CardValues, Ibm3624, JobRef, PinTerms
from kif.preparation.content import blank_content
from kif.preparation.emv import CardData
from kif.preparation.lint import require_right
from kif.preparation.offline import authority
from kif.preparation.product import Product, read_product
from kif.preparation.script import build_script
from kif.preparation.tracks import card_terms


def prepare_batch(
    batch: str,
    oracle: PreparationOracle,
    fits: Callable[[Artwork], None],
    advance: Callable[[], None],
    chosen: Sequence[KeyRef] = (),
    products: Path | None = None,
) -> BatchView:
    """Prepare every card of a batch; ``advance`` is called after each.

    ``fits`` refuses artwork that the card has no room for; ``products`` is the home's folder.

    Its keys are the newest active ones for what the product's profile names, or ``chosen``.

    A card whose record can't be opened becomes suspect, and the rest is prepared. Raises
    ``BadInput`` (PRODUCT) for a product without a profile, and for what does not fit its card.
    """
    name = oracle.batch(batch).product
    product, profile = read_product(name, products)
    require_right(product)
    keys = oracle.resolve(batch, product.wanted, chosen, product.ciphers)
    issuer = keys.get(EMV_ISSUER)
    certifying = None if issuer is None else authority(issuer, oracle.certificate(issuer))

    content = blank_content(product, products)

    def scripts() -> Iterator[tuple[JobRef, Secret]]:
        for job in oracle.jobs(batch):
            try:
                record = oracle.record(job.id)
                pin = _pin(product, keys, job.id, record, oracle)
                values = _card_values(product, keys, job.id, record, oracle)
                script = build_script(product, keys, record, certifying, pin, values)
                script = replace(script, content=content)
                fits(script.artwork)
            except CheckFailed as fault:
                if fault.control is not Control.DATA_AT_REST:
                    raise
                oracle.suspect(job.id, fault.control, fault.sentence)
            except BadInput as fault:
                raise BadInput(
                    fault.control,
                    f"Card {job.number}: {fault.sentence} Nothing was prepared.",
                ) from None
            else:
                yield job.id, script.encode()
            advance()

    return oracle.save_scripts(batch, profile, tuple(keys.values()), scripts())


def _pin(
    product: Product,
    keys: Mapping[str, KeyRef],
    job: JobRef,
    record: Secret,
    oracle: PreparationOracle,
) -> Pin | None:
    """Have a card's PIN made, where its product has one."""
    if not product.pin_length:
        return None
    wanted = PinTerms(
        product.pin_length,
        keys[PIN_VERIFICATION],
        _method(product),
        product.permits,
    )
    account = CardData.of(record).account
    kept, value = oracle.make_pin(job, account, wanted)
    zone, tries = str(keys[PIN_ZONE]), product.pin_tries or 0
    return Pin(kept, value, zone, account.pan, tries, product.permits)


def _card_values(
    product: Product,
    keys: Mapping[str, KeyRef],
    job: JobRef,
    record: Secret,
    oracle: PreparationOracle,
) -> CardValues | None:
    """Have a card's verification values computed, where its product has any."""
    if not product.card_values:
        return None
    card = CardData.of(record)
    return oracle.card_values(job, card.account, keys[CARD_VERIFICATION], card_terms(product, card))


def _method(product: Product) -> str | Ibm3624:
    """Return how the issuer's host verifies PINs."""
    if not product.pin_decimalisation or not product.pin_validation:
        return str(product.pin_verification_index)
    start, _, rest = product.pin_validation.partition("+")
    return Ibm3624(int(start), int(rest[:-1]), rest[-1], product.pin_decimalisation)
