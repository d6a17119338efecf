"""Which certificates an issuer can be registered with: made by openssl, as issuers make them."""

from pathlib import Path
from typing import Any

import pytest

from kif.formats.certificate import identifiers, require_signer
from kif.formats.error import BadInput
from tests.gateway.sender import ODD, make_identity, openssl

V3 = "[dn]\nCN=TEST signer\n[v3]\n"
GOOD: dict[str, dict[str, Any]] = {
    "as openssl makes it": {},
    "P-256": {"kind": "ec"},
    "for signing": {"config": V3 + "keyUsage=critical,digitalSignature\n"},
    "no authority": {"config": V3 + "basicConstraints=critical,CA:FALSE\n"},
} | {name: {"config": config} for name, config in ODD.items()}


@pytest.mark.parametrize("case", GOOD)
def test_a_signers_certificate_is_kept_alone(tmp_path: Path, case: str) -> None:
    pem = make_identity(tmp_path, "signer", **GOOD[case]).pem
    der = openssl("x509", "-outform", "DER", given=pem.encode())
    assert require_signer(pem.encode()) == pem == require_signer(der)
    assert require_signer(b"Bag Attributes\n  friendlyName: x\n" + pem.encode()) == pem


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an Ed25519 key": ({"kind": "ed25519"}, "of a key that is Ed25519; files are signed with RSA"),
    "a short key": ({"kind": "rsa:1024"}, "RSA key of 1024 bits"),
    "a key for certificates": (
        {"config": V3 + "keyUsage=critical,keyCertSign,cRLSign\n"},
        "for other uses than signing data",
    ),
    "a key for encryption": (
        {"config": V3 + "keyUsage=critical,keyEncipherment\n"},
        "for other uses than signing data",
    ),
}


@pytest.mark.control("KIF-GW-04")
@pytest.mark.parametrize("case", WRONG)
def test_a_certificate_that_signs_no_file_is_not_registered(tmp_path: Path, case: str) -> None:
    options, words = WRONG[case]
    with pytest.raises(BadInput, match=words):
        require_signer(make_identity(tmp_path, "signer", **options).certificate.read_bytes())


@pytest.mark.control("KIF-GW-04")
def test_a_chain_an_authority_and_a_private_key_are_not_registered(tmp_path: Path) -> None:
    root, signer = make_identity(tmp_path, "root"), make_identity(tmp_path, "signer")
    with pytest.raises(BadInput, match="holds 2 certificates"):
        require_signer(root.certificate.read_bytes() + signer.certificate.read_bytes())
    with pytest.raises(BadInput, match="holds a private key, which was not stored") as refused:
        require_signer(signer.key.read_bytes() + signer.certificate.read_bytes())
    assert signer.key.read_text()[40:80] not in str(refused.value)
    request = openssl("req", "-new", "-key", signer.key, "-subj", "/CN=TEST between")
    (extensions := tmp_path / "ca.ext").write_text("basicConstraints=critical,CA:TRUE\n")
    between = openssl(
        *("x509", "-req", "-CA", root.certificate, "-CAkey", root.key, "-days", "9"),
        *("-set_serial", "7", "-extfile", extensions),
        given=request,
    )
    with pytest.raises(BadInput, match="of a certification authority"):
        require_signer(between)
    issued = openssl(
        *("x509", "-req", "-CA", root.certificate, "-CAkey", root.key, "-days", "9"),
        *("-set_serial", "8"),
        given=request,
    )
    assert require_signer(issued) == issued.decode()
    assert identifiers(issued.decode()).serial == 8


@pytest.mark.control("KIF-GW-04")
@pytest.mark.parametrize(
    "raw", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n", b"\x30\x03"]
)
def test_what_is_no_certificate_is_not_registered(raw: bytes) -> None:
    with pytest.raises(BadInput, match="not a certificate in PEM or DER form"):
        require_signer(raw)
