"""ICAO-BAC, ICAO-PACE, ICAO-AA and ICAO-LDS: travel documents."""

from __future__ import annotations

import json

from kif.formats import access, recovery, sod
from kif.formats.apdu import Command, Response
from kif.formats.cmac import xor
from kif.formats.curve import BRAINPOOL_P256R1, NIST_P256, Curve, Point
from kif.formats.mrz import dg1, information
from kif.formats.weak import odd_parity
from kif.hsm.bac import SecureMessaging, cryptogram
from kif.hsm.crypt import decrypt_cbc, mac_of
from kif.hsm.kat.outcome import Outputs
from kif.hsm.kat.stand import Stand
from kif.hsm.kat.vector import Skip, Vector
from kif.hsm.key import Cipher
from kif.hsm.usage import Usage

_SELECT_COM = bytes.fromhex("00A4020C02011E")
_READ_4, _READ_18 = bytes.fromhex("00B0000004"), bytes.fromhex("00B0000412")


def basic_access(stand: Stand, vector: Vector) -> Outputs:
    """Derive access keys, authenticate, or read a file: what the inputs are for."""
    if "doc" in vector.inputs:
        return _access_keys(vector)
    if "rnd_ic" in vector.inputs:
        return _authentication(stand, vector)
    return _reading(stand, vector)


def pace(stand: Stand, vector: Vector) -> Outputs:
    """Derive the password's key, or run generic mapping to its end."""
    if "nonce_z" in vector.inputs:
        return _generic_mapping(stand, vector)
    text = information(vector.text("doc"), vector.text("dob"), vector.text("doe"))
    password = access.sha1(text.encode())
    of_can = access.derived(vector.text("can").encode(), access.PASSWORD)
    return {
        "k": password.hex(),
        "k_pi": access.derived(password, access.PASSWORD).hex(),
        "can_k_pi": of_can.hex(),
    }


def active_authentication(stand: Stand, vector: Vector) -> Outputs:
    """Make the block that a chip signs."""
    block = recovery.block(vector.hex("M1"), vector.hex("rnd_ifd"))
    return {"F": block.hex(), "H": block[-21:-1].hex()}


def data_structure(stand: Stand, vector: Vector) -> Outputs:
    """Make EF.DG1 of an MRZ, or verify a document security object."""
    if "mrz" in vector.inputs:
        return {"dg1": dg1(vector.text("mrz")).hex()}
    found = sod.read(vector.hex("sod"))
    found.verify()
    if "dg1" in vector.inputs:
        found.require_group(1, vector.hex("dg1"))
    digests = {str(number): digest.hex().upper() for number, digest in found.digests.items()}
    return {
        "dg_hashes": json.dumps(digests),
        "message_digest_ok": "True",
        "signature": "signature OK",
    }


def _access_keys(vector: Vector) -> Outputs:
    given = vector.text("doc"), vector.text("dob"), vector.text("doe")
    seed = access.bac_seed(*given)
    return {
        "mrz_information": information(*given),
        "k_seed": seed.hex(),
        "k_enc": odd_parity(access.derived(seed, access.ENCRYPTION)).hex(),
        "k_mac": odd_parity(access.derived(seed, access.AUTHENTICATION)).hex(),
    }


def _authentication(stand: Stand, vector: Vector) -> Outputs:
    encryption = stand.key(vector.hex("k_enc"), Cipher.TDEA, Usage.CHANNEL_ENCRYPTION)
    authentication = stand.mac_key(vector.hex("k_mac"))
    of_chip, of_reader = vector.hex("rnd_ic"), vector.hex("rnd_ifd")
    k_ifd, k_ic = vector.hex("k_ifd"), vector.hex("k_ic")
    sent = cryptogram(encryption, authentication, of_reader + of_chip + k_ifd)
    answered = cryptogram(encryption, authentication, of_chip + of_reader + k_ic)
    seed = xor(k_ifd, k_ic)
    return {
        "e_ifd": sent[0].hex(),
        "m_ifd": sent[1].hex(),
        "e_ic": answered[0].hex(),
        "m_ic": answered[1].hex(),
        "ks_seed": seed.hex(),
        "ks_enc": odd_parity(access.derived(seed, access.ENCRYPTION)).hex(),
        "ks_mac": odd_parity(access.derived(seed, access.AUTHENTICATION)).hex(),
        "ssc": access.session_counter(of_chip, of_reader).hex(),
    }


def _reading(stand: Stand, vector: Vector) -> Outputs:
    """Select EF.COM, read its head, read the rest."""
    session = SecureMessaging(
        stand.key(vector.hex("ks_enc"), Cipher.TDEA, Usage.CHANNEL_ENCRYPTION),
        stand.mac_key(vector.hex("ks_mac")),
        vector.hex("ssc"),
    )
    found: dict[str, str] = {}
    for name, raw, given in (
        ("select_com", _SELECT_COM, "rsp_select"),
        ("read4", _READ_4, "rsp_read4"),
        ("read18", _READ_18, "rsp_read18"),
    ):
        found[name] = session.protect(Command.decode(raw)).hex()
        plain = session.open(Response.decode(vector.hex(given)))
        found[name.replace("read", "plain")] = plain.hex() if name != "select_com" else found[name]
    return found


def _generic_mapping(stand: Stand, vector: Vector) -> Outputs:
    curve = _curve(vector)
    password = stand.key(vector.hex("k_pi"), Cipher.AES, Usage.CHANNEL_ENCRYPTION)
    nonce = decrypt_cbc(password, vector.hex("nonce_z"), bytes(16))
    scalars = {
        name: int.from_bytes(vector.hex(f"sk_{name}"), "big")
        for name in ("map_ifd", "map_ic", "dh_ifd", "dh_ic")
    }
    of_reader, of_chip = (
        curve.times(scalars[name], curve.generator) for name in ("map_ifd", "map_ic")
    )
    shared, mapped = access.mapped_generator(curve, nonce, scalars["map_ifd"], of_chip)
    if access.mapped_generator(curve, nonce, scalars["map_ic"], of_reader) != (shared, mapped):
        raise Skip("Both sides do not come to the same generator.")
    dh_reader, dh_chip = (curve.times(scalars[name], mapped) for name in ("dh_ifd", "dh_ic"))
    secret = curve.times(scalars["dh_ifd"], dh_chip)[0].to_bytes(curve.size, "big")
    mac = access.derived(secret, access.AUTHENTICATION)
    oid = vector.hex("oid")
    return {
        "s": nonce.hex(),
        "pk_map_ifd": _shown(curve, of_reader),
        "pk_map_ic": _shown(curve, of_chip),
        "H_pt": _shown(curve, shared),
        "G_mapped": _shown(curve, mapped),
        "pk_dh_ifd": _shown(curve, dh_reader),
        "pk_dh_ic": _shown(curve, dh_chip),
        "shared": secret.hex(),
        "ks_enc": access.derived(secret, access.ENCRYPTION).hex(),
        "ks_mac": mac.hex(),
        "t_ifd": _token(stand, mac, access.authentication_data(oid, curve.encode(dh_chip))),
        "t_ic": _token(stand, mac, access.authentication_data(oid, curve.encode(dh_reader))),
    }


def _token(stand: Stand, value: bytes, data: bytes) -> str:
    key = stand.key(value, Cipher.AES, Usage.KEYED_DIGEST)
    return mac_of(key, data)[:8].hex()


def _curve(vector: Vector) -> Curve:
    named = vector.text("curve")
    if "brainpoolP256r1" in named:
        return BRAINPOOL_P256R1
    if "P-256" in named or "secp256r1" in named:
        return NIST_P256
    raise Skip(f"kif does not have the curve {named}.")


def _shown(curve: Curve, point: Point) -> str:
    return curve.encode(point)[1:].hex()
