"""Words for secrets and digests: the public BIP-39 vectors, and everything that is mistyped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kif.formats.error import BadInput
from kif.formats.secret import Secret
from kif.formats.words import aloud, from_words, to_words

# Trezor's vectors for BIP-39 (github.com/trezor/python-mnemonic, vectors.json).
VECTORS = {
    "00" * 16: "abandon " * 11 + "about",
    "7f" * 16: "legal winner thank year wave sausage worth useful legal winner thank yellow",
    "80" * 16: "letter advice cage absurd amount doctor acoustic avoid letter advice cage above",
    "ff" * 16: "zoo " * 11 + "wrong",
    "00" * 32: "abandon " * 23 + "art",
    "7f" * 32: "legal winner thank year wave sausage worth useful " * 2
    + "legal winner thank year wave sausage worth title",
    "68a79eaca2324873eacc50cb9c6eca8cc68ea5d936f98787c60c7ebc74e6ce7c": (
        "hamster diagram private dutch cause delay private meat slide toddler razor book happy "
        "fancy gospel tennis maple dilemma loan word shrug inflict delay length"
    ),
}


@pytest.mark.parametrize("value", VECTORS)
def test_public_vectors(value: str) -> None:
    words = VECTORS[value].split()
    assert to_words(Secret(bytes.fromhex(value))) == words
    assert from_words(VECTORS[value], len(words)).reveal().hex() == value


@given(st.binary(min_size=32, max_size=32))
def test_four_letters_of_each_word_are_enough(value: bytes) -> None:
    words = to_words(Secret(value))
    assert from_words(" ".join(word[:4] for word in words), 24).reveal() == value
    assert from_words("  ".join(words).upper(), 24).reveal() == value


WORDS = VECTORS["7f" * 16].split()


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (WORDS[:-1], "There are 12 words; 11 were typed"),
        ([], "There are 12 words; 0 were typed"),
        ([*WORDS[:6], "qwerty", *WORDS[7:]], "Word 7 is no word of the list"),
        ([*WORDS[:6], "wor", *WORDS[7:]], "Word 7 is no word of the list"),  # three letters
        ([*WORDS[:6], "wort\u00e4", *WORDS[7:]], "Word 7 is no word of the list"),
        ([*WORDS[:6], "zoo", *WORDS[7:]], "their checksum is not right"),
        ([WORDS[1], WORDS[0], *WORDS[2:]], "their checksum is not right"),
    ],
)
def test_what_is_mistyped_is_told_by_its_place_alone(typed: list[str], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence) as error:
        from_words(" ".join(typed), 12)
    for word in ("qwerty", "winner", "sausage"):
        assert word not in str(error.value)


def test_a_digest_is_read_aloud_in_twelve_words() -> None:
    digest = "7f" * 16 + "00" * 16
    assert aloud(digest) == " ".join(WORDS)
    assert aloud("00" * 32) != aloud("01" + "00" * 31)
