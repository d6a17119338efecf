"""Known answers: every published vector through production code, and what a run refuses."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pkcs11.exceptions import MechanismInvalid

from kif.formats.control import Control
from kif.formats.error import BadInput, DeviceFailed
from kif.hsm.kat import run as running
from kif.hsm.kat.outcome import Outputs
from kif.hsm.kat.run import TRIALS, Verdict, run
from kif.hsm.kat.stand import Stand
from kif.hsm.kat.vector import Vector, of_category, read
from kif.hsm.key import Cipher
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from tests.hsm.objects import nothing_left
from tests.vectors import KNOWN_ANSWERS

VECTORS = read(KNOWN_ANSWERS)
TRIED = [each for each in VECTORS if each.category in TRIALS]
BY_ID = {each.id: each for each in VECTORS}
ON_HOST = {"AN-AES192", "CVN10-1", *(x.id for x in VECTORS if x.category in ("MILENAGE", "TR-31"))}
OPTION_A = BY_ID["EMV-A-5"]
# The random nibbles of a PIN block of format 1 are taken from the published one.
NOT_COMPARED = {("PB1-1", "block")}
# Which key is given does not change what must come out of these: it says how the block is read.
EXPECTED = [
    (vector, name)
    for vector in TRIED
    for name in vector.expect
    if (vector.id, name) not in NOT_COMPARED
]


def tried(token: Token, vector: Vector) -> running.Result:
    (result,) = run(token, [vector])
    return result


@pytest.mark.parametrize("vector", TRIED, ids=lambda vector: str(vector.id))
def test_a_published_vector_passes_and_leaves_nothing(token: Token, vector: Vector) -> None:
    with nothing_left(token):
        result = tried(token, vector)
    assert (result.verdict, result.detail) == (Verdict.PASSED, "")
    assert (result.boundary != "hsm") == (vector.id in ON_HOST)


@pytest.mark.parametrize(
    ("vector", "name"), EXPECTED, ids=[f"{each.id} {name}" for each, name in EXPECTED]
)
def test_no_vector_passes_when_one_expected_value_is_another(
    token: Token, vector: Vector, name: str
) -> None:
    published = vector.expect[name]
    sign = "5" if published[0] != "5" else "6"
    wrong = replace(vector, expect={**vector.expect, name: sign + published[1:]})
    result = tried(token, wrong)
    assert result.verdict is Verdict.FAILED
    assert name in result.detail or "ext_auth" in result.detail


@pytest.mark.parametrize(
    ("vector", "reason"),
    [
        (replace(OPTION_A, category="EMV-XY"), "kif has nothing for the category EMV-XY."),
        (replace(OPTION_A, title="ICC master key"), "Its title names no option (A, B or C)."),
        (replace(OPTION_A, inputs={"imk": "00"}), "It has no input 'pan'."),
        (
            replace(OPTION_A, inputs={**OPTION_A.inputs, "imk": "ghost"}),
            "Its input 'imk' is not hexadecimal.",
        ),
        (
            replace(OPTION_A, expect={"icc_mk": "00", "xyz": "00"}),
            "kif computes no xyz for such a vector.",
        ),
        (replace(BY_ID["PB0-1"], title="ISO 9564-1 format 8"), "no PIN block format"),
        (replace(BY_ID["CVN10-1"], title="Visa CVN 99"), "no cryptogram version that kif has"),
    ],
)
def test_what_is_not_tried_is_skipped_with_its_reason(
    token: Token, vector: Vector, reason: str
) -> None:
    result = tried(token, vector)
    assert result.verdict is Verdict.SKIPPED
    assert reason in result.detail


JUNK = ("", "0", "zz", "00" * 5, "F" * 300, "-1", "[]", "٣")


@pytest.mark.parametrize("vector", TRIED, ids=lambda vector: str(vector.id))
def test_no_input_or_expected_value_ends_a_run(token: Token, vector: Vector) -> None:
    """Whatever a file has, each vector gets its verdict and leaves nothing."""
    with nothing_left(token):
        for at, name in enumerate((*vector.inputs, *vector.expect)):
            junk = JUNK[at % len(JUNK)]
            inputs, expect = dict(vector.inputs), dict(vector.expect)
            (inputs if name in inputs else expect)[name] = junk
            verdict = tried(token, replace(vector, inputs=inputs, expect=expect)).verdict
            assert verdict in Verdict


def test_a_key_of_no_algorithm_fails_in_a_sentence(token: Token) -> None:
    result = tried(token, replace(OPTION_A, inputs={**OPTION_A.inputs, "imk": "0123"}))
    assert (result.verdict, result.detail) == (
        Verdict.FAILED,
        "There is no TDEA key of 2 bytes.",
    )


def test_a_derivation_that_gives_the_master_fails(
    token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lazy(stand: Stand, vector: Vector) -> Outputs:
        value = vector.hex("imk")
        stand.key(value, Cipher.TDEA, Usage.CARD_DERIVATION)
        return {"icc_mk": stand.key(value, Cipher.TDEA, Usage.PUBLIC_BLOCK), "kcv": "0239"}

    monkeypatch.setitem(TRIALS, "EMV-MK", lazy)
    assert tried(token, OPTION_A).detail == "icc_mk: the derived key is its master"


def test_a_derivation_that_does_not_look_at_an_input_fails(
    token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = TRIALS["EMV-MK"]

    def blind(stand: Stand, vector: Vector) -> Outputs:
        return honest(stand, replace(vector, inputs={**vector.inputs, "psn": "01"}))

    monkeypatch.setitem(TRIALS, "EMV-MK", blind)
    assert tried(token, OPTION_A).detail == "another 'psn' gives the same keys"


def test_a_mechanism_that_the_token_has_not_is_a_skip(
    token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(stand: Stand, vector: Vector) -> Outputs:
        raise DeviceFailed(Control.TOKEN_CALL, "The HSM refused.") from MechanismInvalid()

    monkeypatch.setitem(TRIALS, "EMV-MK", lacking)
    result = tried(token, OPTION_A)
    assert result.verdict is Verdict.SKIPPED
    assert result.detail == "The token has no mechanism for it. The HSM refused."


GOOD: dict[str, Any] = {
    "id": "A",
    "cat": "KCV",
    "title": "3DES KCV",
    "inputs": {"key": "00" * 16},
    "expect": {"kcv": "8CA64D"},
}


@pytest.mark.control("KIF-FMT-01")
@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("{}", "it is not a list of vectors"),
        ("[]", "it is not a list of vectors"),
        ("[1]", "vector 1 does not have id, cat, title, inputs, expect"),
        (json.dumps([GOOD, {**GOOD, "id": 7}]), "id, cat and title of vector 2 are not all texts"),
        (json.dumps([{**GOOD, "inputs": []}]), "'inputs' of vector A is not an object"),
        (json.dumps([{**GOOD, "expect": {}}]), "'expect' of vector A is not an object"),
        (json.dumps([GOOD, GOOD]), "the id A stands twice"),
    ],
)
def test_a_file_that_has_no_vectors_says_what_is_wrong(
    tmp_path: Path, content: str, why: str
) -> None:
    file = tmp_path / "vectors.json"
    file.write_text(content)
    with pytest.raises(BadInput) as caught:
        read(file)
    assert f"{file} is not a file of test vectors: {why}" in caught.value.sentence


@pytest.mark.control("KIF-FMT-01")
def test_a_file_that_is_not_there_and_one_that_is_not_text(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="it can't be read"):
        read(tmp_path / "nowhere.json")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="it is not JSON"):
        read(tmp_path / "binary")


@pytest.mark.control("KIF-FMT-01")
def test_a_category_that_is_not_in_the_file_names_those_that_are() -> None:
    assert of_category(VECTORS, None) == VECTORS
    assert {each.category for each in of_category(VECTORS, "KCV")} == {"KCV"}
    with pytest.raises(BadInput, match="no vector of the category CVC; there are AES-CMAC, AN"):
        of_category(VECTORS, "CVC")
