"""Threads of handlers, and the log that is not flooded, each alone."""

import asyncio
import logging
import threading

import pytest

from segue.openflow import sparing, threads
from segue.openflow.sparing import Sparing
from segue.openflow.threads import Threads

from .channels import run, until


def test_threads_are_made_as_needed_and_end_when_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "IDLE", 0.05)

    async def main() -> None:
        made, gate = Threads(3), threading.Event()
        assert await made.call(lambda a, b: a + b, 1, 2) == (3, None)
        await until(lambda: made._idle == 1)
        assert await made.call(lambda: 4) == (4, None)
        assert made._count == 1
        waiting = [made.call(gate.wait, 10) for _ in range(10)]
        await asyncio.sleep(0.02)
        assert made._count == 3
        gate.set()
        assert [await one for one in waiting] == [(True, None)] * 10
        for error in (ValueError("x"), StopIteration(), asyncio.CancelledError(), SystemExit(1)):

            def throws(error: BaseException = error) -> None:
                raise error

            assert await made.call(throws) == (None, error)
        await until(lambda: made._count == 0)
        assert await made.call(lambda: 5) == (5, None)

    run(main)


def test_three_lines_a_second_of_one_kind_and_then_a_count(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    tell = Sparing(logging.getLogger("segue.openflow"), lambda: now[0])
    for n in range(10):
        tell("a", logging.WARNING, "a %d", n)
    tell("b", logging.WARNING, "b")
    assert caplog.messages == ["a 0", "a 1", "a 2", "b"]
    now[0] = 1.0
    tell("a", logging.WARNING, "again")
    assert caplog.messages[4:] == ["a: 7 more such lines are left out", "again"]
    caplog.clear()
    for n in range(50):
        for key in range(100):  # many kinds at a time are no reason to forget how many lines they had
            tell(key, logging.ERROR, "%d", n)
    assert len(caplog.messages) == 300
    monkeypatch.setattr(sparing, "INTERVAL", 0.02)
    caplog.clear()

    async def main() -> None:
        tell = Sparing(logging.getLogger("segue.openflow"))
        for _ in range(5):
            tell("c", logging.ERROR, "c")
        await until(lambda: len(caplog.messages) == 4)
        assert caplog.messages[3] == "c: 2 more such lines are left out"
        for n in range(3000):
            tell(n, logging.ERROR, "c")
        await asyncio.sleep(0.03)
        tell("d", logging.ERROR, "d")
        assert len(tell._told) <= 1100
        await until(lambda: len(tell._told) <= 64)

    run(main)
