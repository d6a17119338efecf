"""A run that forms masters of components and makes a card's keys; it never knows a key's value.

    python -m tests.hsm.derivation_run LIBRARY DIRECTORY CRYPTOGRAM ANSWERS

CRYPTOGRAM and ANSWERS are what the card would answer (hex, comma-separated). It says ``ready`` with
every key still in the token, and ends when its standard input does.
"""

import sys
from contextlib import closing
from pathlib import Path

from kif.formats import emv
from kif.formats.apdu import Command, Response
from kif.formats.scp03 import InitializeUpdateResponse
from kif.formats.secret import Secret
from kif.hsm import softhsm
from kif.hsm.cmac import CmacMaster
from kif.hsm.component import Combination
from kif.hsm.deliver import icc_check_values, wrapped_icc_keys
from kif.hsm.derive import derive_2tdea
from kif.hsm.emv import application_cryptogram
from kif.hsm.form import find_cmac_master
from kif.hsm.key import Algorithm
from kif.hsm.provision import provision
from kif.hsm.scp03 import Channel, static_keys
from kif.hsm.token import Token, TokenPlace
from kif.hsm.usage import Usage

LABEL, PIN, SO_PIN = "kif-recorded", Secret(b"TEST-USER-PIN"), Secret(b"TEST-SO-PIN")
PAN, PSN, ATC, DATA = "5413330000000019", "01", b"\x00\x07", bytes(range(40))
CARD, HOST, OF_CARD = bytes(range(10)), bytes(range(8)), bytes(range(8, 16))
COMMANDS = [Command(0x80, 0xE2, 0, number, bytes(60)) for number in range(3)]
COMPONENTS = {
    "issuer": ("5D8AE2F16B0C97D43A21F0886EC4B91D", "C10FA4573389EE7206BD9A14D7F2A06B"),
    "manager": ("77A0C3D9150E8B6244F1BC5A90E82D37", "1B64F02EA9D7530CC8E51F7B26A4D98E"),
}
"""TEST components, made up for this run."""


def formed(token: Token, name: str, algorithm: Algorithm) -> CmacMaster:
    """Form a master of its components."""
    with closing(Combination(token, algorithm)) as combination:
        for component in COMPONENTS[name]:
            combination.enter(Secret(bytes.fromhex(component)))
        combination.require_strong()
        combination.check_values()
        combination.form(name)
    return find_cmac_master(token, name, algorithm)


def main(library: str, directory: str, cryptogram: str, answers: str) -> None:
    """Make the keys, and wait."""
    place = TokenPlace(Path(library), LABEL, Path(directory))
    softhsm.use_directory(Path(directory))
    provision(place.library, LABEL, SO_PIN, PIN)
    with Token.open(place, PIN) as token:
        issuer = formed(token, "issuer", Algorithm.TDES_2).key
        manager = formed(token, "manager", Algorithm.AES_128)
        answer = InitializeUpdateResponse(CARD, 1, 0x70, OF_CARD, bytes.fromhex(cryptogram), None)
        channel = Channel.open(static_keys(manager, CARD), HOST, answer)
        channel.external_authenticate(0x33)
        for command in COMMANDS:
            channel.protect(command)
        for number, raw in enumerate(answers.split(",")):
            channel.check(number, Response(bytes.fromhex(raw), 0x9000))
        card = emv.option_a(PAN, PSN)
        print("wrapped", wrapped_icc_keys(channel.dek, [issuer], card).hex())
        print("kcv", icc_check_values([issuer], card).hex())
        icc = derive_2tdea(issuer, card, Usage.CARD_DERIVATION)
        print("ac", application_cryptogram(icc, ATC, DATA).hex())
        print("ready", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
