"""The inputs that are kept, through every target, without Atheris; and a few changes of each."""

from __future__ import annotations

import random

import pytest

from openflow.fuzz import corpus, samples
from openflow.fuzz.both import compiled, pure
from openflow.fuzz.targets import TARGETS, Finding
from segue.openflow.wire import VERSIONS

CHANGES = 3


@pytest.mark.parametrize("target", TARGETS)
def test_kept_inputs_break_nothing(target: str) -> None:
    kept = corpus.inputs(target)
    assert len(kept) > 50
    for data in kept:
        TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
def test_nor_do_others_near_them(target: str) -> None:
    choice = random.Random(target)
    for data in corpus.inputs(target):
        for _ in range(CHANGES):
            changed = bytearray(data)
            at = choice.randrange(len(changed))
            if choice.randrange(2):
                changed[at] = choice.choice((0, 1, 4, 7, 8, 0x80, 0xFF))
            else:
                changed[at:at] = changed[at - 8 : at]
            TARGETS[target](bytes(changed))


def test_a_difference_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The targets compare; here one of both libraries is made to differ."""
    data = corpus.inputs("decode")[-1]
    monkeypatch.setattr(pure().codec, "decode", lambda frame: (compiled().protocol.EchoRequest(), 1, 4))
    with pytest.raises(Finding):
        TARGETS["decode"](data)


def test_the_two_are_two() -> None:
    assert pure().codec.READERS is not compiled().codec.READERS
    assert not pure().core.COMPILED


@pytest.mark.parametrize("version", VERSIONS)
def test_seeds_have_every_message(version: int) -> None:
    lib = compiled()
    kinds = {type(lib.codec.decode(data)[0]) for data in samples.messages(version)}
    d = lib.declare
    for home in (d.MESSAGES, d.REQUESTS, d.REPLIES):
        assert {record for record, entry in home.entries.items() if entry.number(version) is not None} <= kinds
