"""EMV-RSA: public key certificates of cards, recovered."""

from kif.formats import recovery
from kif.hsm.kat.outcome import Outputs
from kif.hsm.kat.stand import Stand
from kif.hsm.kat.vector import Vector

_CA_EXPONENT = b"\x03"
"""Of scheme keys where a vector names none."""


def recovered(stand: Stand, vector: Vector) -> Outputs:
    """Recover an issuer certificate (tag 90), or an ICC certificate (9F46)."""
    if "tag90" in vector.inputs:
        issuer = recovery.issuer_certificate(
            vector.hex("tag90"),
            bytes.fromhex(vector.inputs.get("tag92", "")),
            vector.hex("tag9F32"),
            vector.hex("capk_modulus"),
            bytes.fromhex(vector.inputs.get("capk_exponent", _CA_EXPONENT.hex())),
        )
        return {
            "issuer_id": issuer.subject.hex(),
            "issuer_modulus": issuer.modulus.hex(),
            **_dates(issuer),
        }
    icc = recovery.icc_certificate(
        vector.hex("tag9F46"),
        bytes.fromhex(vector.inputs.get("tag9F48", "")),
        vector.hex("issuer_modulus"),
        bytes.fromhex(vector.inputs.get("issuer_exponent", _CA_EXPONENT.hex())),
    )
    return {"pan": icc.subject.hex(), "icc_modulus": icc.modulus.hex(), **_dates(icc)}


def _dates(certificate: recovery.PublicKeyCertificate) -> dict[str, str]:
    return {"expiry_MMYY": certificate.expiry.hex(), "serial": certificate.serial.hex()}
