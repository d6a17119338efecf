"""Files as openssl makes them: the good ones become batches, each bad one is one sentence."""

import contextlib
import hashlib
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from kif.formats import ber
from kif.formats.error import BadInput, KifError, Refused
from kif.formats.tlv import tlv
from kif.gateway import receive
from kif.gateway.receive import receive_file
from kif.oracle.messages import IssuerView
from kif.preparation.product import load_product
from tests.gateway.sender import (
    CONTENT,
    NOW,
    ODD,
    PANS,
    Identity,
    SoftwareOracle,
    certificate_of,
    encrypt,
    header,
    lines,
    make_identity,
    openssl,
    record,
    sign,
)

PSS = ("-keyopt", "rsa_padding_mode:pss")
OAEP = ("-keyopt", "rsa_padding_mode:oaep")


def der(tag: int, *parts: bytes) -> bytes:
    return tlv(tag, b"".join(parts))


def bare(signed: bytes) -> bytes:
    """Return a SignedData without the ContentInfo around it."""
    return bytes(ber.read(signed).parts(2)[1].contents)


def with_crl(signed: bytes, signer: Identity) -> bytes:
    """Put a CRL beside the certificates."""
    now, name = datetime.now(UTC), certificate_of(signer).subject
    made = x509.CertificateRevocationListBuilder().issuer_name(name).last_update(now)
    key = load_pem_private_key(signer.key.read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    crl = made.next_update(now + timedelta(1)).sign(key, SHA256()).public_bytes(Encoding.DER)
    *parts, signers = (bytes(part.raw) for part in ber.read(bare(signed)).children())
    return der(0x30, *parts, der(0xA1, crl), signers)


def in_other_order(signed: bytes, signer: Identity | None = None) -> bytes:
    """Turn the signed attributes around; sign them so when there is a signer."""
    parts = ber.read(bare(signed)).children()
    *first, attributes, algorithm, signature = parts[-1].children()[0].children()
    turned = [bytes(each.raw) for each in reversed(attributes.children())]
    made = bytes(signature.raw)
    if signer is not None:
        key = load_pem_private_key(signer.key.read_bytes(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        made = der(0x04, key.sign(der(0x31, *turned), padding.PKCS1v15(), SHA256()))
    raw = [bytes(each.raw) for each in first]
    info = der(0x30, *raw, der(0xA0, *turned), bytes(algorithm.raw), made)
    return der(0x30, *(bytes(part.raw) for part in parts[:-1]), der(0x31, info))


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
    "RSA-PSS": lambda bank, us: encrypt(sign(CONTENT, bank, *PSS), us),
    "RSA-PSS, SHA-512, the longest salt": lambda bank, us: encrypt(
        sign(CONTENT, bank, *PSS, "-md", "sha512", "-keyopt", "rsa_pss_saltlen:-2"), us
    ),
    "RSA-OAEP with SHA-1": lambda bank, us: encrypt(sign(CONTENT, bank), us, *OAEP),
    "PEM outside": lambda bank, us: encrypt(sign(CONTENT, bank), us, "-outform", "PEM"),
    "PEM inside": lambda bank, us: encrypt(sign(CONTENT, bank, "-outform", "PEM"), us),
    "S/MIME outside": lambda bank, us: encrypt(sign(CONTENT, bank), us, "-outform", "SMIME"),
    "S/MIME inside": lambda bank, us: encrypt(sign(CONTENT, bank, "-outform", "SMIME"), us),
    "no ContentInfo inside": lambda bank, us: encrypt(bare(sign(CONTENT, bank)), us),
    "somebody else's certificate beside": lambda bank, us: encrypt(
        sign(CONTENT, bank, "-certfile", str(us.certificate)), us
    ),
    "only somebody else's certificate": lambda bank, us: encrypt(
        sign(CONTENT, bank, "-nocerts", "-certfile", str(us.certificate)), us
    ),
    "a CRL beside": lambda bank, us: encrypt(with_crl(sign(CONTENT, bank), bank), us),
    "attributes in another order than signed": lambda bank, us: encrypt(
        in_other_order(sign(CONTENT, bank)), us
    ),
    "attributes signed in another order than DER's": lambda bank, us: encrypt(
        in_other_order(sign(CONTENT, bank), bank), us
    ),
}


def write(folder: Path, raw: bytes) -> Path:
    path = folder / "file.cms"
    path.write_bytes(raw)
    return path


def receive_it(folder: Path, raw: bytes, desk: SoftwareOracle) -> None:
    receive_file(write(folder, raw), desk, NOW, load_product)


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
            receive_file(path, desk, when, load_product)


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
    expect(tmp_path, sign(CONTENT, bank), desk, "is signed, but not encrypted", "KIF-GW-02")


@pytest.mark.control("KIF-GW-02")
def test_a_file_that_is_only_encrypted_is_refused(
    tmp_path: Path, bureau: Identity, desk: SoftwareOracle
) -> None:
    expect(tmp_path, encrypt(CONTENT, bureau), desk, "is encrypted, but not signed", "KIF-GW-02")


@pytest.mark.control("KIF-GW-02")
def test_algorithms_that_are_not_accepted_are_named(
    tmp_path: Path, bank: Identity, bureau: Identity, desk: SoftwareOracle
) -> None:
    raw = encrypt(sign(CONTENT, bank), bureau, *OAEP, "-keyopt", "rsa_oaep_md:sha256")
    expect(tmp_path, raw, desk, "accepted are RSA PKCS#1", "KIF-GW-02")


def as_utf_16(raw: bytes) -> bytes:
    return raw.decode("latin-1").encode("utf-16")


UNUSABLE: dict[str, tuple[Callable[[Identity, Identity], bytes], str, str]] = {
    "SHA-1": (
        lambda bank, us: encrypt(sign(CONTENT, bank, "-md", "sha1"), us),
        "signed with SHA-1; accepted are",
        "KIF-GW-03",
    ),
    "PSS with another hash in its mask": (
        lambda bank, us: encrypt(sign(CONTENT, bank, *PSS, "-keyopt", "rsa_mgf1_md:sha1"), us),
        "signed with RSA-PSS with other parameters|signed with SHA-1",
        "KIF-GW-03",
    ),
    "detached": (
        lambda bank, us: encrypt(bare_detached(bank), us),
        "has a detached signature: the cards are not in it",
        "KIF-GW-02",
    ),
    "encrypted twice": (
        lambda bank, us: encrypt(encrypt(sign(CONTENT, bank), us), us),
        "is encrypted twice",
        "KIF-GW-02",
    ),
    "a certificate instead": (
        lambda bank, us: us.certificate.read_bytes(),
        "PEM of a CERTIFICATE; accepted is CMS",
        "KIF-GW-02",
    ),
    "half a PEM block": (
        lambda bank, us: encrypt(sign(CONTENT, bank), us, "-outform", "PEM")[:-40],
        "PEM that is not one whole block",
        "KIF-GW-02",
    ),
    "PEM in UTF-16": (
        lambda bank, us: as_utf_16(encrypt(sign(CONTENT, bank), us, "-outform", "PEM")),
        "text in UTF-16",
        "KIF-GW-02",
    ),
    "another mail": (
        lambda bank, us: b"MIME-Version: 1.0\nContent-Type: text/plain\n\nhello\n",
        "mail of type text/plain",
        "KIF-GW-02",
    ),
    "content with a byte order mark": (
        lambda bank, us: encrypt(sign(b"\xef\xbb\xbf" + CONTENT, bank), us),
        "content of the file is in UTF-8 with a byte order mark",
        "KIF-GW-08",
    ),
    "content in UTF-16": (
        lambda bank, us: encrypt(sign(as_utf_16(CONTENT), bank), us),
        "content of the file is in UTF-16",
        "KIF-GW-08",
    ),
    "no content": (
        lambda bank, us: encrypt(sign(b"", bank), us),
        "content of the file is empty",
        "KIF-GW-08",
    ),
}


def bare_detached(bank: Identity) -> bytes:
    who = ("-signer", bank.certificate, "-inkey", bank.key)
    return openssl("cms", "-sign", "-binary", "-outform", "DER", *who, given=CONTENT)


@pytest.mark.control("KIF-GW-02", "KIF-GW-03", "KIF-GW-08")
@pytest.mark.parametrize("case", UNUSABLE)
def test_what_is_not_accepted_is_named_and_nobody_accused(
    tmp_path: Path, bank: Identity, bureau: Identity, desk: SoftwareOracle, case: str
) -> None:
    make, words, control = UNUSABLE[case]
    expect(tmp_path, make(bank, bureau), desk, words, control)
    assert "altered" not in desk.refused[0][1]


def test_a_file_comes_through_a_pipe(
    tmp_path: Path, bank: Identity, bureau: Identity, desk: SoftwareOracle
) -> None:
    pipe, raw = tmp_path / "pipe", encrypt(sign(CONTENT, bank), bureau)
    os.mkfifo(pipe)
    sender = threading.Thread(target=pipe.write_bytes, args=(raw,))
    sender.start()
    receive_file(pipe, desk, NOW, load_product)
    sender.join()
    assert len(desk.admitted) == 1


@pytest.mark.parametrize("odd", ["name in Latin-1", "user notice"])
def test_an_odd_certificate_stops_no_file(
    tmp_path: Path, folder: Path, bank: Identity, bureau: Identity, odd: str
) -> None:
    """Others' files are received beside it, and its own are too."""
    signer = make_identity(folder, odd.replace(" ", "-"), config=ODD[odd])
    desk = SoftwareOracle(bureau, [IssuerView("a-bank", signer.pem), IssuerView("bank", bank.pem)])
    for options in ((), ("-keyid",)):
        receive_it(tmp_path, encrypt(sign(CONTENT, bank, *options), bureau, *options), desk)
    theirs = lines(header(issuer="a-bank"), *(record(pan) for pan in PANS))
    for options in ((), ("-keyid",)):
        receive_it(tmp_path, encrypt(sign(theirs, signer, *options), bureau), desk)
    assert [file.issuer for file in desk.admitted] == ["bank", "bank", "a-bank", "a-bank"]


@pytest.mark.control("KIF-GW-02")
@pytest.mark.parametrize("where", ["first", "cards", "last block", "key", "cut", "more"])
def test_a_tampered_file_is_refused(
    tmp_path: Path, bank: Identity, bureau: Identity, desk: SoftwareOracle, where: str
) -> None:
    raw = bytearray(encrypt(sign(CONTENT, bank), bureau))
    place = {"first": 0, "cards": 700, "last block": len(raw) - 20, "key": 200}
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


def test_no_byte_that_is_altered_changes_a_card(
    tmp_path: Path, bank: Identity, bureau: Identity, desk: SoftwareOracle
) -> None:
    raw = encrypt(sign(CONTENT, bank), bureau)
    for place in range(0, len(raw), 7):
        altered = raw[:place] + bytes((raw[place] ^ 0x01,)) + raw[place + 1 :]
        with contextlib.suppress(BadInput, Refused):
            receive_it(tmp_path, altered, desk)
    # Certificates prove nothing and are not read, so a byte of them may change; no other may.
    digests = {file.content_digest.reveal() for file in desk.admitted}
    assert digests <= {hashlib.sha256(CONTENT).digest()}
    inside = len(certificate_of(bank).public_bytes(Encoding.DER)) // 7 + 1
    assert len(desk.admitted) <= inside
    assert len(desk.refused) >= len(raw) // 7 - inside


@pytest.mark.control("KIF-GW-02")
def test_files_that_are_none_are_sentences(
    tmp_path: Path, desk: SoftwareOracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadInput, match="can't be read"):
        receive_file(tmp_path / "nowhere", desk, NOW, load_product)
    with pytest.raises(BadInput, match="is empty"):
        receive_it(tmp_path, b"", desk)
    monkeypatch.setattr(receive, "LIMIT", 10)
    with pytest.raises(BadInput, match="in parts"):
        receive_it(tmp_path, b"x" * 11, desk)
    assert not desk.refused  # there is nothing to name in the ledger


@pytest.mark.parametrize("raw", [b"hello", b"0", b"\x30\x03\x02\x01\x05"])
def test_bytes_that_are_no_cms_are_refused(
    tmp_path: Path, desk: SoftwareOracle, raw: bytes
) -> None:
    expect(tmp_path, raw, desk, "not a whole CMS envelope", "KIF-GW-02")
