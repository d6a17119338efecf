"""PINs leave: a file of PIN blocks for the issuer, a sealed file for the printer of the mailers."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from kif.formats import canonical
from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.fulfilment.dispatch import write_file
from kif.oracle.interface import PinOracle

_LEAST_BITS = 2048


def export_pins(batch: str, oracle: PinOracle, folder: Path) -> Path:
    """Write the PIN blocks of a batch's dispatched cards for their issuer; return the file.

    A card is named by its number, which is that of its record in the issuer's file.
    """
    view, (zone, blocks) = oracle.batch(batch), oracle.blocks(batch)
    content = canonical.encode(
        {
            "format": "kif-pin-blocks-1",
            "batch": batch,
            "issuer": view.issuer,
            "reference": view.reference,
            "under": str(zone),
            "pin_block_format": blocks[0].format,
            "cards": [
                {
                    "number": each.number,
                    "pin_block": each.block.hex(),
                    "verification_value": each.verification_value,
                }
                for each in blocks
            ],
        }
    )
    digest = hashlib.sha256(content).hexdigest()
    path = folder / f"{view.issuer}-{batch}-{digest[:8]}.pins.json"
    write_file(path, content)
    oracle.exported(batch, zone, len(blocks), digest)
    return path


def seal_mailers(batch: str, oracle: PinOracle, printer: x509.Certificate, folder: Path) -> Path:
    """Seal the PINs of a closed batch to a printer; return the file, which it alone opens."""
    count, sealed = oracle.mailers(batch, printer)
    recipient = hashlib.sha256(printer.public_bytes(Encoding.DER)).hexdigest()
    digest = hashlib.sha256(sealed).hexdigest()
    path = folder / f"{batch}-{digest[:8]}.mailers.cms"
    write_file(path, sealed)
    oracle.mailed(batch, count, recipient, digest)
    return path


def read_printer(raw: bytes, now: datetime) -> x509.Certificate:
    """Read a printer's certificate (PEM): RSA, 2048 bits or more, valid now (``BadInput``)."""
    try:
        found = x509.load_pem_x509_certificate(raw)
    except ValueError:
        raise _no_printer("it is no certificate (PEM)") from None
    key = found.public_key()
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < _LEAST_BITS:
        raise _no_printer(f"its key is not RSA of {_LEAST_BITS} bits or more")
    if not found.not_valid_before_utc <= now <= found.not_valid_after_utc:
        raise _no_printer("it is not valid today")
    return found


def _no_printer(why: str) -> BadInput:
    return BadInput(Control.PIN_APART, f"PINs are not sealed to this printer: {why}.")
