"""EMV-RSA: public key certificates of cards, recovered."""

from kif.formats import offline
from kif.hsm.kat.outcome import Outputs
from kif.hsm.kat.stand import Stand
from kif.hsm.kat.vector import Vector

_CA_EXPONENT = "03"
"""Of scheme keys where a vector names none."""


def recovered(stand: Stand, vector: Vector) -> Outputs:
    """Recover an issuer certificate (tag 90), or an ICC certificate (9F46)."""
    if "tag90" in vector.inputs:
        scheme = _key(vector, "capk")
        issuer = offline.issuer_certificate(
            vector.hex("tag90"), _optional(vector, "tag92"), vector.hex("tag9F32"), scheme
        )
        return {
            "issuer_id": issuer.subject.hex(),
            "issuer_modulus": issuer.key.modulus.hex(),
            **_dates(issuer),
        }
    icc = offline.unverified_icc_certificate(
        vector.hex("tag9F46"),
        _optional(vector, "tag9F48"),
        _optional(vector, "tag9F47"),
        _key(vector, "issuer"),
    )
    return {"pan": icc.subject.hex(), "icc_modulus": icc.key.modulus.hex(), **_dates(icc)}


def _key(vector: Vector, of: str) -> offline.PublicKey:
    exponent = vector.inputs.get(f"{of}_exponent", _CA_EXPONENT)
    return offline.PublicKey(vector.hex(f"{of}_modulus"), bytes.fromhex(exponent))


def _optional(vector: Vector, name: str) -> bytes:
    return bytes.fromhex(vector.inputs.get(name, ""))


def _dates(certificate: offline.Certificate) -> dict[str, str]:
    return {"expiry_MMYY": certificate.expiry.hex(), "serial": certificate.serial.hex()}
