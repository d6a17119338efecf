"""Run vectors by production code, and compare with what was published; a skip has a reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum

from pkcs11.exceptions import AttributeValueInvalid, MechanismInvalid

from kif.formats.error import KifError
from kif.hsm import keyblock
from kif.hsm.an10922 import AES_192_ON_HOST
from kif.hsm.boundary import crossings, permitting
from kif.hsm.kat import certificates, checks, diversify, emv, exchange, icao, pin, scp02, scp03, sim
from kif.hsm.kat.outcome import Outputs, Trial, differs, prints
from kif.hsm.kat.stand import Stand
from kif.hsm.kat.vector import Skip, Vector
from kif.hsm.milenage import OPC_ON_HOST
from kif.hsm.token import Token
from kif.hsm.visa import PIN_BLOCK_ON_HOST

TRIALS: dict[str, Trial] = {
    "KCV": checks.kcv,
    "AES-CMAC": checks.aes_cmac,
    "RETAIL-MAC": checks.retail_mac,
    "EMV-MK": emv.master_key,
    "EMV-SK-AC": emv.session_key,
    "EMV-SM": emv.script,
    "CVV-PVV": pin.verification_value,
    "PIN-BLOCK": pin.block,
    "AN10922": diversify.an10922,
    "GP-DIV": diversify.static_keys,
    "SP800-108": diversify.counter_kdf,
    "SCP02": scp02.session,
    "SCP03": scp03.session,
    "MILENAGE": sim.milenage,
    "TR-31": exchange.key_block,
    "EMV-RSA": certificates.recovered,
    "ICAO-BAC": icao.basic_access,
    "ICAO-PACE": icao.pace,
    "ICAO-AA": icao.active_authentication,
    "ICAO-LDS": icao.data_structure,
}
_DIVERSIFIERS = ("pan", "psn", "R", "atc", "kdd", "div_input", "sequence", "label", "context")
_ON_HOST = (AES_192_ON_HOST, OPC_ON_HOST, PIN_BLOCK_ON_HOST, keyblock.ON_HOST)


class Verdict(StrEnum):
    """What came of a vector."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Result:
    """A vector's verdict, what was wrong or why it was not tried, and where keys were clear."""

    vector: Vector
    verdict: Verdict
    detail: str = ""
    boundary: str = "hsm"


def run(token: Token, vectors: Iterable[Vector]) -> Iterator[Result]:
    """Try each vector; test keys may be clear on the host where the token leaves no other way."""
    for vector in vectors:
        with permitting(*_ON_HOST):
            verdict, detail = _tried(token, vector)
        reasons = crossings()
        yield Result(vector, verdict, detail, f"host: {', '.join(reasons)}" if reasons else "hsm")


def _tried(token: Token, vector: Vector) -> tuple[Verdict, str]:
    if vector.category not in TRIALS:
        return Verdict.SKIPPED, f"kif has nothing for the category {vector.category}."
    trial = TRIALS[vector.category]
    try:
        with closing(Stand(token)) as stand:
            outputs = trial(stand, vector)
            detail = "; ".join(_wrong(stand, vector, outputs))
            unique = detail or _same_for_other_input(trial, token, vector, prints(stand, outputs))
    except Skip as reason:
        return Verdict.SKIPPED, str(reason)
    except (ValueError, LookupError, ArithmeticError) as broken:
        return Verdict.SKIPPED, f"An input or expected value is not in its form ({broken})."
    except KifError as error:
        if isinstance(error.__cause__, MechanismInvalid):
            return Verdict.SKIPPED, f"The token has no mechanism for it. {error.sentence}"
        if isinstance(error.__cause__, AttributeValueInvalid):
            return Verdict.SKIPPED, f"The token has no key of this type or length. {error.sentence}"
        return Verdict.FAILED, error.sentence
    return (Verdict.FAILED, unique) if unique else (Verdict.PASSED, "")


def _wrong(stand: Stand, vector: Vector, outputs: Outputs) -> Iterator[str]:
    missing = [name for name in vector.expect if name not in outputs]
    if missing:
        raise Skip(f"kif computes no {', '.join(missing)} for such a vector.")
    for name, published in vector.expect.items():
        wrong = differs(stand, outputs[name], published)
        if wrong:
            yield f"{name}: {wrong}"


def _same_for_other_input(trial: Trial, token: Token, vector: Vector, keys: list[bytes]) -> str:
    """Return which input could change without changing the keys that are derived, or nothing."""
    for name in _DIVERSIFIERS:
        if keys and name in vector.inputs:
            with closing(Stand(token)) as stand:
                if prints(stand, trial(stand, vector.altered(name))) == keys:
                    return f"another '{name}' gives the same keys"
    return ""
