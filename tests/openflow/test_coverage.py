"""Every message, action and instruction in every version was judged by somebody else, as the documentation says."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import coverage

PAGE = Path(__file__).parents[2] / "docs" / "openflow" / "coverage.md"


@pytest.fixture(scope="module")
def found() -> coverage.Cells:
    reason = coverage.missing()
    if reason:
        pytest.skip(reason)
    return coverage.collect()


def test_everything_has_been_judged(found: coverage.Cells) -> None:
    alone = {(record.__name__, version) for (record, version), letters in found.items() if not letters}
    assert not alone


def test_the_page_is_what_was_found(found: coverage.Cells) -> None:
    assert coverage.table(found) == PAGE.read_text()


def test_no_cell_is_missing_on_the_page() -> None:
    """Without any other party: what is declared is on the page."""
    names = {f"`{entry.name(6) or entry.name(1)}`" for _, home in coverage.ROOMS for entry in home.entries.values()}
    assert {line.split(" | ")[0].removeprefix("| ") for line in PAGE.read_text().splitlines() if "| `" in line} == names


def test_a_party_that_reads_something_else_does_not_count() -> None:
    from segue.openflow.protocol import PortMod

    from .agreement import with_os_ken

    message = PortMod(1, 2, config=1)
    reading = {"OFPPortMod": {"port_no": 1, "hw_addr": "00:00:00:00:00:02", "config": 1}}
    assert not with_os_ken(message, reading).wrong
    wrong = {"OFPPortMod": {**reading["OFPPortMod"], "config": 3}}
    assert with_os_ken(message, wrong).wrong and not list(coverage._agreed(with_os_ken(message, wrong), 4))
