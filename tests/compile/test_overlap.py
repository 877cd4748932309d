"""The index finds exactly what comparing everything with everything would find."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from segue.compile.overlap import OverlapIndex, entries_overlap
from segue.model.path import Entry, Headers
from segue.packet.addresses import ETH_IPV4, ETH_IPV6, Prefix


@st.composite
def prefixes(draw: st.DrawFn) -> Prefix:
    length = draw(st.sampled_from([0, 8, 24, 31, 32]))
    value = draw(st.sampled_from([0x0A000001, 0x0A000002, 0x0A010000, 0xC0000201]))
    return Prefix(4, value & (((1 << length) - 1) << (32 - length)), length)


@st.composite
def ranges(draw: st.DrawFn) -> tuple[int, int]:
    low = draw(st.sampled_from([1, 80, 100]))
    return low, draw(st.sampled_from([low, low + 1, 65535]))


headers = st.builds(
    Headers,
    st.sampled_from([ETH_IPV4, ETH_IPV6]),
    st.sampled_from([-1, 6, 17]),
    st.none() | prefixes(),
    st.none() | prefixes(),
    st.none() | ranges(),
    st.none() | ranges(),
)
entries = st.builds(
    Entry,
    st.just("c"),
    st.sampled_from([1, 2]),
    st.sampled_from([0, 5, 6]),
    st.just("n1"),
    st.sampled_from([100, 200]),
    headers,
    st.sampled_from(["", "", "x"]),
)
owned = st.tuples(st.sampled_from(["a", "b", "c"]), entries)


def test_what_comes_in_and_what_comes_from_behind_a_chain_are_apart() -> None:
    first, *others = (Entry("c", 1, 0, "", 100, Headers(ETH_IPV4), behind) for behind in ("", "x", "y"))
    assert entries_overlap(first, first)
    assert not any(entries_overlap(first, other) for other in others)


@given(st.lists(st.tuples(st.booleans(), owned), max_size=12), owned)
def test_conflicts_are_those_of_a_full_comparison(
    steps: list[tuple[bool, tuple[str, Entry]]], asked: tuple[str, Entry]
) -> None:
    index = OverlapIndex()
    present: set[tuple[str, Entry]] = set()
    for keep, item in steps:
        list(index.conflicts(*asked))  # builds tables early, so that they must be kept up to date
        if item not in present:
            index.add(*item)
            present.add(item)
        if not keep:
            index.remove(*item)
            present.remove(item)
    chain, entry = asked
    expected = {
        (other, theirs)
        for other, theirs in present
        if other != chain and theirs.precedence == entry.precedence and entries_overlap(entry, theirs)
    }
    assert set(index.conflicts(chain, entry)) == expected


def test_finding_does_not_look_at_everything() -> None:
    index = OverlapIndex()
    for number in range(5000):
        index.add(f"c{number}", Entry("c", 1, 5, "n1", 100, Headers(ETH_IPV4, 17, source_ports=(number, number))))
    probe = Entry("p", 1, 5, "n1", 100, Headers(ETH_IPV4, 17, source_ports=(77, 77)))
    assert [other for other, _ in index.conflicts("p", probe)] == ["c77"]
    (table,) = index._tables.values()
    assert max(len(bucket) for bucket in table.values()) == 1
