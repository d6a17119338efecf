"""The Merkle tree against RFC 6962's well-known test tree, and against its own definition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kif.ledger.merkle import (
    EMPTY_ROOT,
    Frontier,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of_proof,
)

# The test tree of the certificate-transparency project (reference implementation of RFC 6962).
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

leaves = st.lists(st.binary(max_size=8), min_size=1, max_size=70)


def root_of(hashes: list[bytes]) -> bytes:
    """Return the root over leaf hashes, by the definition itself (RFC 6962, 2.1)."""
    if len(hashes) < 2:
        return hashes[0] if hashes else EMPTY_ROOT
    split = 1 << ((len(hashes) - 1).bit_length() - 1)
    return node_hash(root_of(hashes[:split]), root_of(hashes[split:]))


def frontier_of(entries: list[bytes]) -> Frontier:
    frontier = Frontier()
    for entry in entries:
        frontier = frontier.append(entry)
    return frontier


@pytest.mark.parametrize("size", range(1, 9))
def test_the_published_roots_come_out(size: int) -> None:
    assert frontier_of(LEAVES[:size]).root().hex() == ROOTS[size - 1]
    assert root_of([leaf_hash(leaf) for leaf in LEAVES[:size]]).hex() == ROOTS[size - 1]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert Frontier().root() == EMPTY_ROOT == root_of([])


@given(leaves)
def test_appending_agrees_with_the_definition(entries: list[bytes]) -> None:
    assert frontier_of(entries).root() == root_of([leaf_hash(entry) for entry in entries])


@given(leaves)
def test_a_frontier_comes_back_from_its_bytes(entries: list[bytes]) -> None:
    frontier = frontier_of(entries)
    assert Frontier.decode(frontier.encode()) == frontier


@pytest.mark.parametrize("raw", [b"", b"\x00" * 7, b"\x00" * 7 + b"\x01", b"\x00" * 40])
def test_bytes_that_are_no_frontier_are_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="one hash for each bit"):
        Frontier.decode(raw)


@pytest.mark.control("KIF-LOG-02")
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 31, 33])
def test_the_path_of_each_leaf_leads_to_the_root_and_no_other_does(size: int) -> None:
    leaves = [bytes((number,)) for number in range(size)]
    hashes, frontier = [leaf_hash(leaf) for leaf in leaves], Frontier()
    for leaf in leaves:
        frontier = frontier.append(leaf)
    root = frontier.root()
    for index, leaf in enumerate(leaves):
        proof = inclusion_proof(hashes, index)
        assert root_of_proof(leaf, index, size, proof) == root
        assert root_of_proof(b"other", index, size, proof) != root
        assert root_of_proof(leaf, size, size, proof) is None
        assert root_of_proof(leaf, -1, size, proof) is None
        wrong = [*proof, bytes(32)]
        assert root_of_proof(leaf, index, size, wrong) != root
        for at in range(len(proof)):
            for wrong in (proof[:at], [*proof[:at], bytes(32), *proof[at + 1 :]]):
                assert root_of_proof(leaf, index, size, wrong) != root
        for other in range(size):
            if other != index:
                assert root_of_proof(leaf, other, size, proof) != root
