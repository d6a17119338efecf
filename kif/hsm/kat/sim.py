"""MILENAGE: OPc inside the token, and what a SIM answers."""

from kif.formats.secret import Secret
from kif.hsm.kat.outcome import Outputs
from kif.hsm.kat.stand import Stand
from kif.hsm.kat.vector import Vector
from kif.hsm.key import Cipher
from kif.hsm.milenage import answers, fold_opc
from kif.hsm.usage import Usage


def milenage(stand: Stand, vector: Vector) -> Outputs:
    """Fold OPc, and compute f1 to f5* with the published OPc."""
    subscriber = stand.combination(vector.hex("K"), Cipher.AES)
    operator = stand.combination(vector.hex("OP"), Cipher.AES)
    fold_opc(stand.kept(subscriber.session_key(Usage.CARD_TRANSPORT)), operator)
    opc = stand.kept(operator.session_key(Usage.PUBLIC_BLOCK))
    if "RAND" not in vector.inputs:
        return {"opc": opc}
    found = answers(
        stand.kept(subscriber.session_key(Usage.PUBLIC_BLOCK)),
        Secret(bytes.fromhex(vector.expect["opc"])),
        vector.hex("RAND"),
        vector.hex("SQN"),
        vector.hex("AMF"),
    )
    secrets = {name: getattr(found, name).reveal().hex() for name in ("res", "ck", "ik", "ak")}
    more = {"mac_a": found.mac_a.hex(), "mac_s": found.mac_s.hex()}
    return {"opc": opc, **secrets, **more, "ak_s": found.ak_s.reveal().hex()}
