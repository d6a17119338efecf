"""The personalisation script of a card."""

from hypothesis import given
from hypothesis import strategies as st

from kif.formats.script import Artwork, Group, Script

HEX = st.binary(max_size=40).map(lambda data: data.hex().upper())
KEYS = st.lists(st.sampled_from(["emv-ac", "emv-smi", "emv-smc"]), min_size=1).map(tuple)
GROUPS = st.one_of(
    st.builds(Group, st.just("0101"), HEX),
    st.builds(Group, st.just("8000"), st.none(), KEYS),
    st.builds(Group, st.just("9000"), st.none(), st.just(()), KEYS),
)
SCRIPTS = st.builds(
    Script,
    pan=st.from_regex(r"[0-9]{12,19}", fullmatch=True),
    psn=st.from_regex(r"[0-9]{2}", fullmatch=True),
    application=HEX,
    security_domain=HEX,
    key_version=st.integers(0, 127),
    security_level=st.sampled_from([0x01, 0x03, 0x11, 0x13, 0x33]),
    groups=st.lists(GROUPS, max_size=6).map(tuple),
    artwork=st.builds(Artwork, st.text(), st.text(), st.text()),
)


@given(SCRIPTS)
def test_a_script_reads_back_as_it_was_written(script: Script) -> None:
    assert Script.decode(script.encode()) == script


@given(SCRIPTS)
def test_neither_a_script_nor_its_encoding_shows_the_card(script: Script) -> None:
    shown = f"{script!r} {script} {script.encode()}"
    assert script.pan not in shown
    assert "redacted" in shown
