from pathlib import Path

import pytest

from segue.lab.apps import trail


def test_stamps_follow_one_another_and_keep_the_length() -> None:
    data = trail.payload(5, 100)
    for identity in (7, 0, 255):
        data = trail.stamped(data, identity) or b""
        assert len(data) == 100
    assert trail.parse(data) == (5, bytes([7, 0, 255]))
    assert data[20:] == bytes(80)


def test_a_full_trail_and_foreign_payloads_are_left_alone() -> None:
    data = trail.payload(1)
    for identity in range(trail.LARGEST_TRAIL):
        data = trail.stamped(data, identity) or b""
    assert trail.parse(data) == (1, bytes(range(32)))
    assert trail.stamped(data, 1) is None
    assert trail.stamped(b"something else" * 10, 1) is None
    assert trail.parse(b"SEGUEseq") is None


def test_the_summary_reads_both_logs(tmp_path: Path) -> None:
    sent, received = trail.SentLog(tmp_path / "s"), trail.ReceivedLog(tmp_path / "r")
    for sequence in range(10):
        sent.add(sequence, sequence * 1_000_000_000, 4000 + sequence % 2)
    for sequence, met in ((0, b"\1"), (2, b"\1"), (1, b"\1\2"), (0, b"\1"), (6, b"\1\2"), (4, b""), (9, b"\1")):
        received.add(sequence, 0, 4000 + sequence % 2, met)
    sent.close()
    received.close()
    with (tmp_path / "r").open("ab") as log:
        log.write(b"\0" * 18 + b"\5\1\2")  # a record that was cut off
    found = trail.summary(tmp_path / "s", tmp_path / "r")
    assert (found.sent, found.received, found.duplicates, found.late) == (10, 6, 1, 2)
    assert found.lost == [3, 5, 7, 8]
    assert found.outage == 2.0
    assert found.trails == {(1,): 4, (1, 2): 2, (): 1}
    assert found.arrivals[2].trail == (1, 2)


def test_the_logs_are_not_taken_for_one_another(tmp_path: Path) -> None:
    trail.SentLog(tmp_path / "s").close()
    with pytest.raises(ValueError, match="log"):
        trail.read_received(tmp_path / "s")
