"""SCP03: session keys, cryptograms, and every command and answer of a published session."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kif.formats import scp03
from kif.formats.apdu import Command, Response
from kif.formats.scp03 import Constant, InitializeUpdateResponse
from kif.hsm.cmac import CmacPair, public_cmac, session_keys
from kif.hsm.kat.outcome import Output, Outputs
from kif.hsm.kat.stand import Stand
from kif.hsm.kat.vector import Skip, Vector
from kif.hsm.key import Cipher
from kif.hsm.scp03 import Channel, StaticKeys
from kif.hsm.usage import Usage

_SESSION = {"s_enc": Constant.S_ENC, "s_mac": Constant.S_MAC, "s_rmac": Constant.S_RMAC}
_SUCCESS = 0x9000


def session(stand: Stand, vector: Vector) -> Outputs:
    """Open the channel of a published session and protect its commands in their order."""
    if "init_update" not in vector.inputs:
        context = vector.hex("host_challenge") + vector.hex("card_challenge")
        found = _keys(stand, vector, context)
        return found | _pseudo_random(stand, vector, vector.hex("seq"))
    host_challenge = vector.hex("init_update")[5:]
    host_challenge = host_challenge[: vector.hex("init_update")[4]]
    answer = InitializeUpdateResponse.decode(_without_status(vector.hex("init_update_rsp")))
    found = _keys(stand, vector, host_challenge + answer.card_challenge)
    if answer.sequence_counter is not None and "invoking_aid" in vector.inputs:
        found |= _pseudo_random(stand, vector, answer.sequence_counter)
    channel = Channel.open(_static(stand, vector), host_challenge, answer)
    try:
        return found | dict(_spoken(vector, channel, answer))
    finally:
        channel.close()


def _spoken(
    vector: Vector, channel: Channel, answer: InitializeUpdateResponse
) -> Iterator[tuple[str, str]]:
    yield "card_cryptogram", answer.card_cryptogram.hex()  # which the channel has verified
    published = bytes.fromhex(vector.expect.get("ext_auth", ""))
    if len(published) < 5:
        return
    authenticate = channel.external_authenticate(published[2])  # its P1: the level is no secret
    yield "ext_auth", authenticate.hex()
    yield "host_cryptogram", authenticate[5 : 5 + len(answer.card_challenge)].hex()
    commands = list(_commands(vector))
    for name, command in commands:
        yield name, channel.protect(command).hex()
    yield from _answers(vector, channel, [name for name, _ in commands])


def _answers(vector: Vector, channel: Channel, names: list[str]) -> Iterator[tuple[str, str]]:
    """Verify the R-MAC of every published answer, and decrypt it where the level says so."""
    for number, name in enumerate(names):
        which = name.partition("_")[2]
        for given in (f"rsp_{which}", f"{which}_rsp_protected"):
            if given in vector.inputs:
                raw = vector.hex(given)
                data = _without_status(raw) if given.startswith("rsp_") else raw
                plain = channel.check(number, Response(data, _SUCCESS))
                yield f"plain_rsp_{which}", plain.hex()


def _commands(vector: Vector) -> Iterator[tuple[str, Command]]:
    """Give each command with the name that its protected form is published under."""
    listed = vector.inputs.get("plain_cmd")
    if listed is not None:
        yield from _expanded(vector, listed)
        return
    for name, value in vector.inputs.items():
        if name.startswith("plain_"):
            which = name.removeprefix("plain_")
            known = [each for each in (f"w_{which}", f"wrapped_{which}") if each in vector.expect]
            if known:
                yield known[0], Command.decode(bytes.fromhex(value))


def _expanded(vector: Vector, listed: str) -> Iterator[tuple[str, Command]]:
    """Read ``80F2{20,40,80}00 024F00``: one command for each value in braces, in order."""
    found = re.fullmatch(r"([0-9A-F]+)\{([0-9A-F,]+)\}([0-9A-F ]+)(\(.*\))?", listed)
    if found is None:
        raise Skip("Its 'plain_cmd' is not of the form 80F2{20,40,80}00 024F00.")
    names = [name for name in vector.expect if name.startswith("w_")]
    for name, value in zip(names, found[2].split(","), strict=True):
        raw = bytes.fromhex(found[1] + value + found[3])
        yield name, Command.decode(raw)


def _keys(stand: Stand, vector: Vector, context: bytes) -> dict[str, Output]:
    found: dict[str, Output] = {}
    for name, constant in _SESSION.items():
        pair = _pair(stand, vector, "enc" if constant is Constant.S_ENC else "mac")
        found[name] = key = session_keys(pair, {constant: Usage.PUBLIC_BLOCK}, context)[constant]
        stand.keep(key)
    return found


def _pseudo_random(stand: Stand, vector: Vector, sequence: bytes) -> dict[str, Output]:
    """Compute the card challenge of a card that makes it from its counter (6.2.2.1)."""
    (message,) = scp03.derivation_messages(
        Constant.CARD_CHALLENGE, sequence + vector.hex("invoking_aid"), 64
    )
    challenge = public_cmac(_pair(stand, vector, "enc").public, message)
    return {"card_challenge_pseudo_random": challenge[: scp03.CHALLENGE].hex()}


def _static(stand: Stand, vector: Vector) -> StaticKeys:
    """Bring the static keys in; opening a channel destroys them."""
    enc, mac, dek = (
        stand.combination(_value(vector, name), Cipher.AES) for name in ("enc", "mac", "dek")
    )
    pairs = [
        CmacPair(each.session_key(Usage.CARD_DERIVATION), each.session_key(Usage.PUBLIC_BLOCK))
        for each in (enc, mac)
    ]
    return StaticKeys(pairs[0], pairs[1], dek.session_key(Usage.CARD_TRANSPORT))


def _pair(stand: Stand, vector: Vector, name: str) -> CmacPair:
    return stand.pair(_value(vector, name), Cipher.AES)


def _value(vector: Vector, name: str) -> bytes:
    return vector.hex("key" if "key" in vector.inputs else f"key_{name}")


def _without_status(raw: bytes) -> bytes:
    return raw[:-2] if raw.endswith(b"\x90\x00") else raw
