"""Profiles that are wrong: every rule finds its case, in the right line."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from kif.formats.error import BadInput
from kif.preparation.lint import check_profile
from kif.preparation.product import load_product, product_files, read_product

SHIPPED = product_files()
TEXT = SHIPPED["test-debit"].read_text()


def written(folder: Path, text: str = TEXT, **changes: str) -> Path:
    """Write a shipped profile with fields replaced, under a name of its own."""
    lines = re.sub("name: test-[a-z]+", "name: test-gold", text).splitlines()
    for field, value in changes.items():
        (at,) = (at for at, line in enumerate(lines) if line.startswith(f"{field}:"))
        lines[at] = f"{field}: {value}"
    path = folder / "test-gold.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


def line_of(field: str, text: str = TEXT) -> int:
    lines = text.splitlines()
    return next(at for at, line in enumerate(lines, start=1) if line.startswith(f"{field}:"))


@pytest.mark.parametrize("name", SHIPPED)
def test_nothing_is_wrong_with_what_is_shipped(name: str) -> None:
    assert check_profile(SHIPPED[name]) == []


CDOL1 = "9F02069F03069F1A0295055F2A029A039C019F3704"
WRONG = {
    "a short AIP": ("aip", '"18"', "Application Interchange Profile has 2 bytes, not 1"),
    "a long country": ("country", '"000978"', "Issuer Country Code has 2 bytes, not 3"),
    "a country of letters": ("country", '"0DEA"', "has digits alone"),
    "a currency for a country": ("country", '"0978"', "0978 is no country"),
    "a short AID": ("application", "A0000000", "has 5 to 16 bytes, not 4"),
    "too much issuer data": (
        "issuer_application_data",
        f'"{"00" * 33}"',
        "has 1 to 32 bytes, not 33",
    ),
    "a cut CDOL": ("cdol1", "9F02069F", "it is no list of tags and lengths"),
    "a wrong length in it": ("cdol1", "9F02059F3704", "9F02 (Amount, Authorised (Numeric)) is as"),
    "no unpredictable number": ("cdol1", "9F0206", "without 9F37"),
    "a CDOL that asks for more": ("cdol1", "9F37049F7C7F9F7D7F", "has 258 bytes"),
    "no response code": ("cdol2", "9F3704", "without 8A"),
    "DDA without its data": ("aip", '"3800"', "(bits 6 and 1) and card_key_bits do not agree"),
    "CDA without its data": ("aip", '"1900"', "(bits 6 and 1) and card_key_bits do not agree"),
    "SDA without its data": ("aip", '"5800"', "data_authentication_code do not agree"),
    "a reserved bit": ("aip", '"9800"', "bit 8 of its first byte is reserved"),
    "no verification by the AIP": ("aip", '"0800"', "and cvm_list do not agree"),
    "no verification by the list": ("cvm_list", '"0000000000000000"', "has 10 to 252 bytes, not 8"),
    "no way for the response": ("aip", '"1800"', "the issuer's response comes by"),
    "two ways for it": ("cdol2", "8A02910A" + CDOL1, "91 has 8 bytes by ARPC method 2"),
    "half of the data": ("cdol2", "8A029F3704", "9F02, 9F03, 9F1A, 95, 5F2A, 9A, 9C of"),
    "half a rule": ("cvm_list", "000000000000000042031F", "a rule has two bytes"),
    "an unknown method": ("cvm_list", '"00000000000000000603"', "there is no method 06"),
    "an unknown condition": ("cvm_list", "00000000000000001F0A", "there is no condition 0A"),
    "an amount of zero": ("cvm_list", "00000000000000001F06", "over amount X, which is zero"),
    "a second amount of zero": ("cvm_list", "00000001000000001F08", "over amount Y, which is"),
    "an offline PIN": ("cvm_list", "000000000000000001031F03", "is an offline PIN"),
    "a rule that goes on": ("cvm_list", '"00000000000000004203"', "goes on to a next one"),
    "a card for nothing": ("usage_control", '"0000"', "can be used for nothing"),
    "keys in another order": ("keys", "[emv-smi, emv-ac, emv-smc]", "in this order"),
    "a foreign label": ("label", "Ü", "of ASCII"),
    "one key version": ("domain_version", "1", "need another version"),
    "no such level": ("security_level", "2", "Input should be 1, 3, 17, 19 or 51"),
    "digits without quotes": ("country", "978", "put it in quotes"),
    "not hexadecimal": ("cdol1", "XY", "String should match pattern"),
    "one person alone": ("approver", "kif project", "the author of a profile does not approve"),
}
OF_THE_WHOLE = {"one key version", "one person alone"}
"""What is told of the profile: two fields disagree."""


@pytest.mark.control("KIF-PREP-01")
@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_with_its_line(case: str, tmp_path: Path) -> None:
    field, value, told = WRONG[case]
    findings = check_profile(written(tmp_path, **{field: value}))
    assert [each for each in findings if told in each.what], findings
    places = {(each.line, each.field) for each in findings if told in each.what}
    assert places == ({(1, "profile")} if case in OF_THE_WHOLE else {(line_of(field), field)})
    assert str(findings[0]).startswith(f"line {findings[0].line}: ")


SIGNS = SHIPPED["test-credit"].read_text()
WRONG_KEY = {
    "the bits of none": ("card_key_bits", "1016", "greater than or equal to 1024"),
    "no whole bytes": ("card_key_bits", "1153", "multiple of 8"),
    "too long for an answer": ("card_key_bits", "1984", "has no room in one answer"),
    "too long for CDA": ("card_key_bits", "1840", "signed by so long a key (CDA) has no room"),
    "a record's DGI": ("key_generation", '"0301"', "0301 is the DGI of a record"),
    "no list": ("ddol", "9F", "it is no list of tags and lengths"),
    "nothing fresh": ("ddol", "9F0206", "without 9F37"),
    "a code of one byte": ("data_authentication_code", '"01"', "String should match pattern"),
    "no R-MAC": ("security_level", "3", "nobody would know whose public key is certified"),
}


WRONG_PIN = {
    "too short": ("pin_length", "3", "greater than or equal to 4"),
    "no tries": ("pin_tries", "0", "greater than or equal to 1"),
    "verified by nothing": (
        "cvm_list",
        '"00000000000000001E031F03"',
        "no rule has the card verify",
    ),
    "one try, and a check": ("pin_tries", "1", "would take the only try"),
    "not permitted": ("permits", "[pin-check]", "without pin-on-host no PIN can be drawn"),
}


@pytest.mark.control("KIF-PREP-01")
@pytest.mark.parametrize("case", WRONG_PIN)
def test_what_is_wrong_with_a_pin_is_told(case: str, tmp_path: Path) -> None:
    field, value, told = WRONG_PIN[case]
    findings = check_profile(written(tmp_path, SIGNS, **{field: value}))
    places = {(each.line, each.field) for each in findings if told in each.what}
    assert places == {(line_of(field, SIGNS), field)}, findings


WRONG_AIR = {
    "static data": ("aip", '"5980"', "over the air a card signs cryptograms (bit 1) or nothing"),
    "signs nothing": ("aip", '"1880"', "(bit 1) and card_key_bits do not agree"),
    "one byte": ("aip", '"19"', "has 2 bytes, not 1"),
    "a PIN": ("cvm_list", "000000000000000001031F03", "a card verifies no PIN over the air"),
    "no rule": ("cvm_list", '"0000000000000000"', "has 10 to 252 bytes, not 8"),
    "nothing fresh": ("cdol1", "9F0206", "without 9F37"),
    "no list": ("pdol", "9F", "it is no list of tags and lengths"),
}


@pytest.mark.control("KIF-PREP-01")
@pytest.mark.parametrize("case", WRONG_AIR)
def test_what_is_wrong_over_the_air_is_told(case: str, tmp_path: Path) -> None:
    field, value, told = WRONG_AIR[case]
    text = re.sub(f"(?m)^  {field}:.*$", f"  {field}: {value}", SIGNS)
    findings = check_profile(written(tmp_path, text))
    assert {each.field for each in findings} == {"contactless"}
    assert [each for each in findings if each.what.startswith(f"{field}: ") and told in each.what]


WRONG_TRACKS = {
    "an unknown part": ("[cvv]", "String should match pattern"),
    "a part twice": ("[card-value, '00', card-value]", "it names a part twice"),
    "too many digits": (f"['{'1' * 14}']", "String should match pattern"),
}


@pytest.mark.control("KIF-PREP-01")
@pytest.mark.parametrize("case", WRONG_TRACKS)
def test_what_is_wrong_with_the_tracks_is_told(case: str, tmp_path: Path) -> None:
    value, told = WRONG_TRACKS[case]
    findings = check_profile(written(tmp_path, SIGNS, discretionary_data=value))
    line = line_of("discretionary_data", SIGNS)
    assert [(each.line, told in each.what) for each in findings] == [(line, True)]


@pytest.mark.control("KIF-PREP-01")
def test_a_pin_is_enciphered_to_a_card_that_has_a_key(tmp_path: Path) -> None:
    enciphered = "000000000000000044031F03"
    assert check_profile(written(tmp_path, SIGNS, cvm_list=enciphered)) == []
    findings = check_profile(written(tmp_path, cvm_list=enciphered))
    assert "method 04 is a PIN enciphered to a key, and there is none" in {
        each.what for each in findings
    }


@pytest.mark.control("KIF-PREP-01")
def test_tracks_of_a_card_without_a_pin_have_no_part_of_it(tmp_path: Path) -> None:
    parts = "discretionary_data: [pin-index, pin-value]\n"
    found = check_profile(written(tmp_path, SHIPPED["test-debit"].read_text() + parts))
    assert [each.what for each in found] == [
        "pin-value is of cards with pin_length",
        "pin-index is of cards whose PIN is verified by a PVV",
    ]


def test_a_host_verifies_by_pvv_or_by_offset(tmp_path: Path) -> None:
    table, data = "pin_decimalisation: '0123456789012345'\n", "pin_validation: 3+11F\n"
    without = re.sub("(?m)^pin_verification_index:.*\n", "", SIGNS).replace("[pin-index, ", "[")
    assert check_profile(written(tmp_path, without + table + data)) == []
    for text, field in (
        (without + table, "pin_decimalisation"),
        (without + data, "pin_validation"),
        (SIGNS + table + data, "pin_validation"),
    ):
        (finding,) = check_profile(written(tmp_path, text))
        assert finding.field == field
        assert "and no PVV beside it" in finding.what
    (finding,) = check_profile(written(tmp_path, f"{without}{table}pin_validation: 311F\n"))
    assert "String should match pattern" in finding.what


def needs_each_other(what: str, line: str, folder: Path) -> None:
    """A profile with a field has the line's field as well, and one without it has not."""
    field = line.partition(":")[0]
    (finding,) = check_profile(written(folder, re.sub(f"(?m)^{field}:.*\n", "", SIGNS)))
    assert (finding.field, finding.what) == (what, f"{field} is missing")
    (finding,) = check_profile(written(folder, f"{TEXT}{line}\n"))
    assert (finding.field, finding.what) == (field, f"{field} is for cards with {what}")


@pytest.mark.parametrize("field", ["pin_tries", "pin_verification_index"])
def test_a_pin_needs_every_field_of_it(field: str, tmp_path: Path) -> None:
    needs_each_other("pin_length", f"{field}: 1", tmp_path)
    (finding,) = check_profile(written(tmp_path, f"{TEXT}permits: [pin-check]\n"))
    assert finding.what == "the card has no PIN that could be clear"


@pytest.mark.control("KIF-PREP-01")
@pytest.mark.parametrize("case", WRONG_KEY)
def test_what_is_wrong_with_a_card_that_signs_is_told(case: str, tmp_path: Path) -> None:
    field, value, told = WRONG_KEY[case]
    findings = check_profile(written(tmp_path, SIGNS, **{field: value}))
    places = {(each.line, each.field) for each in findings if told in each.what}
    whole = {(1, "profile")} if case == "no R-MAC" else {(line_of(field, SIGNS), field)}
    assert places == whole, findings


@pytest.mark.parametrize("line", ["key_generation: 7F49", "ddol: 9F3704"])
def test_a_card_that_signs_needs_every_field_of_it(line: str, tmp_path: Path) -> None:
    needs_each_other("card_key_bits", line, tmp_path)


def test_fields_that_are_missing_or_unknown_are_told(tmp_path: Path) -> None:
    path = tmp_path / "test-gold.yaml"
    path.write_text("name: test-gold\ncolour: gold\n")
    findings = {each.field: each for each in check_profile(path)}
    assert findings["colour"].line == 2
    assert findings["cdol1"].what == "Field required"


def test_the_file_is_called_as_the_product(tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(TEXT)
    (finding,) = check_profile(path)
    assert (finding.line, finding.field) == (line_of("name"), "name")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- 1\n", "it has no fields"),
        ("", "it has no fields"),
        ("a: [", "is not YAML"),
        ("a: 1\nb: 2\na: 3\n", "line 3: 'a' is there twice"),
    ],
)
def test_what_is_no_profile_is_a_sentence(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(BadInput, match=told):
        check_profile(path)
    with pytest.raises(BadInput, match="can't be read: No such file"):
        check_profile(tmp_path / "nowhere.yaml")
    path.write_bytes(b"\xff")
    with pytest.raises(BadInput, match="is not text in UTF-8"):
        check_profile(path)


def test_what_is_within_a_field_is_told_by_its_place(tmp_path: Path) -> None:
    path = written(tmp_path, SIGNS, permits="\n  - pin-on-host\n  - pin")
    (finding,) = (each for each in check_profile(path) if each.field == "permits.2")
    assert "Input should be 'pin-on-host', 'pin-check'" in finding.what
    assert finding.line == line_of("permits", SIGNS) + 2


TWICE = {"security_level": "0x01", "contactless": "{kernel: '01', kernel: '02'}"}


@pytest.mark.parametrize("field", TWICE)
def test_a_field_that_is_there_twice_is_neither_checked_nor_used(
    tmp_path: Path, field: str
) -> None:
    path = written(tmp_path)
    path.write_text(f"{path.read_text()}{field}: {TWICE[field]}\n")
    with pytest.raises(BadInput, match="is there twice"):
        check_profile(path)
    with pytest.raises(BadInput, match="'kif product check "):
        read_product("test-gold", tmp_path)


def test_a_profile_by_another_name_than_its_files_is_not_used(tmp_path: Path) -> None:
    written(tmp_path).rename(tmp_path / "test-silver.yaml")
    with pytest.raises(BadInput, match="'kif product check "):
        read_product("test-silver", tmp_path)


def test_a_profile_of_the_homes_own_is_found_and_replaces_none(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert load_product("test-gold", tmp_path).label == "TEST DEBIT"
    assert read_product("test-gold", tmp_path)[1] == hashlib.sha256(path.read_bytes()).hexdigest()
    path.rename(tmp_path / "test-debit.yaml")
    with pytest.raises(BadInput, match="'test-debit' is shipped with kif"):
        load_product("test-debit", tmp_path)
    (tmp_path / "test-debit.yaml").rename(tmp_path / "broken.yaml")
    (tmp_path / "broken.yaml").write_text("name: [")
    with pytest.raises(BadInput, match="'kif product check "):
        load_product("broken", tmp_path)
