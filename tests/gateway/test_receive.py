"""Files as openssl makes them: the good ones become batches, each bad one is one sentence."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from kif.formats.error import BadInput, KifError, Refused
from kif.gateway import receive
from kif.gateway.receive import receive_file
from kif.oracle.interface import IssuerView
from tests.gateway.sender import (
    CONTENT,
    NOW,
    PANS,
    Identity,
    SoftwareOracle,
    encrypt,
    header,
    lines,
    make_identity,
    record,
    sign,
)

GOOD: dict[str, Callable[[Identity, Identity], bytes]] = {
    "as openssl does it": lambda bank, us: encrypt(sign(CONTENT, bank), us),
    "AES-128": lambda bank, us: encrypt(sign(CONTENT, bank), us, "-aes-128-cbc"),
    "AES-192": lambda bank, us: encrypt(sign(CONTENT, bank), us, "-aes-192-cbc"),
    "streamed (indefinite lengths)": lambda bank, us: encrypt(
        sign(CONTENT, bank, "-stream"), us, "-stream"
    ),
    "by key identifiers": lambda bank, us: encrypt(sign(CONTENT, bank, "-keyid"), us, "-keyid"),
    "without certificates": lambda bank, us: encrypt(sign(CONTENT, bank, "-nocerts"), us),
    "SHA-384": lambda bank, us: encrypt(sign(CONTENT, bank, "-md", "sha384"), us),
    "SHA-512": lambda bank, us: encrypt(sign(CONTENT, bank, "-md", "sha512"), us),
}


def write(folder: Path, raw: bytes) -> Path:
    path = folder / "file.cms"
    path.write_bytes(raw)
    return path


def receive_it(folder: Path, raw: bytes, desk: SoftwareOracle) -> None:
    receive_file(write(folder, raw), desk, NOW)


@pytest.mark.parametrize("form", GOOD)
def test_every_form_that_openssl_writes_is_received(
    tmp_path: Path, bank: Identity, bureau: Identity, desk: SoftwareOracle, form: str
) -> None:
    receive_it(tmp_path, GOOD[form](bank, bureau), desk)
    (file,) = desk.admitted
    assert [card.subject.identity.reveal().decode()[:-3] for card in file.cards] == PANS
    assert (file.issuer, file.reference, file.product) == ("bank", "F-1", "test-debit")
    assert not desk.refused


def test_a_large_file_is_decrypted_in_segments(
    tmp_path: Path, bank: Identity, bureau: Identity, desk: SoftwareOracle
) -> None:
    from kif.formats.pan import hash_total, with_check_digit

    pans = [with_check_digit(f"99999900{number:07}") for number in range(2000)]
    content = lines(
        header(count=len(pans), hash_total=hash_total(pans)), *(record(pan) for pan in pans)
    )
    assert len(content) > 4 * 64 * 1024
    receive_it(tmp_path, encrypt(sign(content, bank), bureau), desk)
    assert len(desk.admitted[0].cards) == 2000


def test_an_ecdsa_issuer_is_accepted(tmp_path: Path, folder: Path, bureau: Identity) -> None:
    signer = make_identity(folder, "ec-bank", kind="ec")
    desk = SoftwareOracle(bureau, [IssuerView("bank", signer.pem)])
    receive_it(tmp_path, encrypt(sign(CONTENT, signer), bureau), desk)
    assert desk.admitted


def expect(
    folder: Path, raw: bytes, desk: SoftwareOracle, words: str, control: str, code: int = 2
) -> None:
    """The refusal is that sentence, is recorded, and nothing was admitted."""
    with pytest.raises(KifError, match=words) as refused:
        receive_it(folder, raw, desk)
    assert (refused.value.control.value, refused.value.exit_code) == (control, code)
    assert desk.refused == [(control, refused.value.sentence)]
    assert not desk.admitted
    assert not [pan for pan in PANS if pan in str(refused.value)]


@pytest.mark.control("KIF-GW-01")
def test_a_file_for_somebody_else_is_refused(
    tmp_path: Path, bank: Identity, stranger: Identity, desk: SoftwareOracle
) -> None:
    raw = encrypt(sign(CONTENT, bank), stranger)
    expect(tmp_path, raw, desk, "none of which is this bureau", "KIF-GW-01")


@pytest.mark.control("KIF-GW-04")
def test_a_file_of_an_unknown_signer_is_refused(
    tmp_path: Path, stranger: Identity, bureau: Identity, desk: SoftwareOracle
) -> None:
    raw = encrypt(sign(CONTENT, stranger), bureau)
    expect(tmp_path, raw, desk, "not in the issuer register", "KIF-GW-04", 4)


@pytest.mark.control("KIF-GW-04")
def test_a_certificate_outside_its_validity_is_refused(
    tmp_path: Path, bank: Identity, bureau: Identity, desk: SoftwareOracle
) -> None:
    path = write(tmp_path, encrypt(sign(CONTENT, bank), bureau))
    for when in (NOW + timedelta(days=60), NOW - timedelta(days=60)):
        with pytest.raises(Refused, match="not now"):
            receive_file(path, desk, when)


@pytest.mark.control("KIF-GW-04")
def test_a_header_that_names_another_issuer_is_refused(
    tmp_path: Path, bank: Identity, bureau: Identity, desk: SoftwareOracle
) -> None:
    content = lines(header(issuer="other"), *(record(pan) for pan in PANS))
    raw = encrypt(sign(content, bank), bureau)
    expect(tmp_path, raw, desk, "header names another issuer", "KIF-GW-04", 4)


@pytest.mark.control("KIF-GW-03")
def test_content_that_was_changed_after_signing_is_refused(
    tmp_path: Path, bank: Identity, bureau: Identity, desk: SoftwareOracle
) -> None:
    signed = sign(CONTENT, bank)
    changed = signed.replace(b"CARDHOLDER AA", b"CARDHOLDER AB")
    assert changed != signed
    expect(tmp_path, encrypt(changed, bureau), desk, "does not fit the content", "KIF-GW-03")


@pytest.mark.control("KIF-GW-03")
def test_a_signature_by_another_key_under_the_issuers_name_is_refused(
    tmp_path: Path,
    folder: Path,
    stranger: Identity,
    bank: Identity,
    bureau: Identity,
    desk: SoftwareOracle,
) -> None:
    genuine = sign(CONTENT, bank)
    signature = genuine[-256:]
    forged = genuine[:-256] + bytes(byte ^ 0x55 for byte in signature)
    expect(tmp_path, encrypt(forged, bureau), desk, "does not fit the content", "KIF-GW-03")


@pytest.mark.control("KIF-GW-03")
def test_a_signature_without_signed_attributes_is_refused(
    tmp_path: Path, bank: Identity, bureau: Identity, desk: SoftwareOracle
) -> None:
    raw = encrypt(sign(CONTENT, bank, "-noattr"), bureau)
    expect(tmp_path, raw, desk, "no signed attributes", "KIF-GW-03")


@pytest.mark.control("KIF-GW-03")
def test_two_signatures_are_refused(
    tmp_path: Path, bank: Identity, stranger: Identity, bureau: Identity, desk: SoftwareOracle
) -> None:
    second = ("-signer", str(stranger.certificate), "-inkey", str(stranger.key))
    raw = encrypt(sign(CONTENT, bank, *second), bureau)
    expect(tmp_path, raw, desk, "has 2 signatures", "KIF-GW-03")


@pytest.mark.control("KIF-GW-02")
def test_a_file_that_is_only_signed_is_refused(
    tmp_path: Path, bank: Identity, desk: SoftwareOracle
) -> None:
    expect(tmp_path, sign(CONTENT, bank), desk, "not EnvelopedData", "KIF-GW-02")


@pytest.mark.control("KIF-GW-02")
def test_a_file_that_is_only_encrypted_is_refused(
    tmp_path: Path, bureau: Identity, desk: SoftwareOracle
) -> None:
    expect(tmp_path, encrypt(CONTENT, bureau), desk, "does not decrypt to signed", "KIF-GW-02")


@pytest.mark.control("KIF-GW-02")
def test_algorithms_that_are_not_accepted_are_named(
    tmp_path: Path, bank: Identity, bureau: Identity, desk: SoftwareOracle
) -> None:
    raw = encrypt(sign(CONTENT, bank), bureau, "-keyopt", "rsa_padding_mode:oaep")
    expect(tmp_path, raw, desk, "accepted are RSA PKCS#1", "KIF-GW-02")


@pytest.mark.control("KIF-GW-02")
@pytest.mark.parametrize("where", ["first", "middle", "last block", "key", "cut", "more"])
def test_a_tampered_file_is_refused(
    tmp_path: Path, bank: Identity, bureau: Identity, desk: SoftwareOracle, where: str
) -> None:
    raw = bytearray(encrypt(sign(CONTENT, bank), bureau))
    place = {"first": 0, "middle": len(raw) // 2, "last block": len(raw) - 20, "key": 200}
    if where in place:
        raw[place[where]] ^= 0x01
    tampered = (
        bytes(raw) if where in place else bytes(raw[:-7]) if where == "cut" else bytes(raw) + b"x"
    )
    with pytest.raises(BadInput) as refused:
        receive_it(tmp_path, tampered, desk)
    assert refused.value.control.value in ("KIF-GW-02", "KIF-GW-03")
    assert not desk.admitted
    assert len(desk.refused) == 1


def test_no_byte_that_is_altered_gets_through(
    tmp_path: Path, bank: Identity, bureau: Identity, desk: SoftwareOracle
) -> None:
    raw = encrypt(sign(CONTENT, bank), bureau)
    for place in range(0, len(raw), 7):
        altered = raw[:place] + bytes((raw[place] ^ 0x01,)) + raw[place + 1 :]
        with pytest.raises((BadInput, Refused)):
            receive_it(tmp_path, altered, desk)
    assert not desk.admitted


@pytest.mark.control("KIF-GW-02")
def test_files_that_are_none_are_sentences(
    tmp_path: Path, desk: SoftwareOracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadInput, match="can't be read"):
        receive_file(tmp_path / "nowhere", desk, NOW)
    with pytest.raises(BadInput, match="0 bytes"):
        receive_it(tmp_path, b"", desk)
    monkeypatch.setattr(receive, "LIMIT", 10)
    with pytest.raises(BadInput, match="in parts"):
        receive_it(tmp_path, b"x" * 11, desk)
    assert not desk.refused  # there is nothing to name in the ledger


@pytest.mark.parametrize("raw", [b"hello", b"0", b"\x30\x03\x02\x01\x05", b"-----BEGIN CMS-----"])
def test_bytes_that_are_no_cms_are_refused(
    tmp_path: Path, desk: SoftwareOracle, raw: bytes
) -> None:
    expect(tmp_path, raw, desk, "not a whole CMS envelope", "KIF-GW-02")
