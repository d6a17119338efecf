"""SCP02: session keys, cryptograms, and the commands of a recorded session."""

from __future__ import annotations

from collections.abc import Iterator

from kif.formats.apdu import Command
from kif.formats.scp02 import CHALLENGE, InitializeUpdateResponse
from kif.hsm import scp02
from kif.hsm.kat.outcome import Output, Outputs
from kif.hsm.kat.stand import Stand
from kif.hsm.kat.vector import Vector
from kif.hsm.key import Cipher
from kif.hsm.usage import Usage

_LEVEL_C_MAC = 0x01


def session(stand: Stand, vector: Vector) -> Outputs:
    """Derive session keys, and open the channel of a recorded session where there is one."""
    found: dict[str, Output] = {}
    if "sequence" in vector.inputs:
        static = stand.key(vector.hex("key"), Cipher.TDEA, Usage.CARD_DERIVATION)
        for name in scp02.SESSION_CONSTANTS:
            key = scp02.session_key(static, name, vector.hex("sequence"), Usage.PUBLIC_BLOCK)
            found[name] = stand.kept(key)
    if "init_update" in vector.inputs:
        found |= _spoken(stand, vector)
    return found


def _spoken(stand: Stand, vector: Vector) -> dict[str, Output]:
    """Say at level 01 what was said to the card, with the challenge that it was given."""
    challenge = vector.hex("init_update")[5 : 5 + CHALLENGE]
    answer = InitializeUpdateResponse.decode(vector.hex("init_update_rsp")[:-2])
    value = stand.combination(vector.hex("key"), Cipher.TDEA)
    static = scp02.StaticKeys(*(value.session_key(Usage.CARD_DERIVATION) for _ in range(3)))
    channel = scp02.Channel.open(static, challenge, answer)
    try:
        authenticate = channel.external_authenticate(_LEVEL_C_MAC)
        return {
            "card_cryptogram": answer.card_cryptogram.hex(),  # which the channel has verified
            "ext_auth": authenticate.hex(),
            "host_cryptogram": authenticate[5 : 5 + CHALLENGE].hex(),
            **{name: channel.protect(command).hex() for name, command in _commands(vector)},
        }
    finally:
        channel.close()


def _commands(vector: Vector) -> Iterator[tuple[str, Command]]:
    for name, value in vector.inputs.items():
        if name.startswith("plain_"):
            yield f"w_{name.removeprefix('plain_')}", Command.decode(bytes.fromhex(value))
