"""The test issuer's files, opened by openssl."""

import json
import subprocess
from datetime import date
from pathlib import Path

from kif.formats.pan import check_digit_is_right, hash_total
from kif.simulator.issuer import TestIssuer
from tests.gateway.sender import make_identity, openssl

TODAY = date(2026, 11, 24)


def test_a_file_opens_to_signed_records_and_nothing_lies_about_in_clear(tmp_path: Path) -> None:
    bureau, issuer = make_identity(tmp_path, "bureau"), TestIssuer(tmp_path / "issuer")
    path = tmp_path / "file.cms"
    issuer.write_file(
        path,
        recipient_certificate=bureau.pem,
        reference="R",
        product="test-debit",
        count=30,
        first_number=7,
        today=TODAY,
    )
    signed = openssl(
        *("cms", "-decrypt", "-binary", "-inform", "DER", "-in", path),
        *("-recip", bureau.certificate, "-inkey", bureau.key),
    )
    certificate = tmp_path / "issuer" / "certificate.pem"
    content = openssl(
        *("cms", "-verify", "-binary", "-inform", "DER", "-CAfile", certificate), given=signed
    )
    header, *cards = [json.loads(line) for line in content.splitlines()]
    pans = [card["pan"] for card in cards]
    assert (header["count"], header["hash_total"]) == (30, hash_total(pans))
    assert len(set(pans)) == 30
    assert all(check_digit_is_right(pan) and pan.startswith("99999900") for pan in pans)
    assert len({card["name"] for card in cards}) == 30
    everything = b"".join(each.read_bytes() for each in tmp_path.rglob("*") if each.is_file())
    assert not [pan for pan in pans if pan.encode() in everything]


def test_the_certificate_is_made_once_and_says_that_it_is_a_test(tmp_path: Path) -> None:
    issuer = TestIssuer(tmp_path)
    first = issuer.certificate
    assert TestIssuer(tmp_path).certificate == first
    text = subprocess.run(
        ["openssl", "x509", "-noout", "-subject"],
        input=first.encode(),
        capture_output=True,
        check=True,
    ).stdout
    assert b"NOT FOR PRODUCTION" in text
