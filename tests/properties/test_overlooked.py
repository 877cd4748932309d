"""While the network changes, no step leaves a rollout or a draining path behind that looking at all would have found.

``test_every_packet_sees_one_version`` plays the same schedules; here each step of the server's rollouts is judged.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import many
from test_rollout import Run, play

from segue.rollout import Rollouts

CHECKED = settings(
    deadline=None,
    max_examples=many(40),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def left_behind(rollouts: Rollouts, nodes_of: Callable[[int], set[str]]) -> list[object]:
    flips: list[object] = [
        chains for chains in rollouts._chains.values() if not any(rollouts.waiting(one, nodes_of) for one in chains)
    ]
    drains: list[object] = [
        key
        for key, revision in rollouts._withdrawn.items()
        if key not in rollouts._deadline and key not in rollouts._led
        if all(rollouts._acked.get(node, -1) >= revision for node in nodes_of(key))
    ]
    return flips + drains


@CHECKED
@given(st.data())
def test_no_step_overlooks_anything(monkeypatch: pytest.MonkeyPatch, data: st.DataObject) -> None:
    advance = Rollouts.advance

    def judged(self: Rollouts, now: float, nodes_of: Callable[[int], set[str]]) -> None:
        advance(self, now, nodes_of)
        assert not left_behind(self, nodes_of)

    with monkeypatch.context() as patched:
        patched.setattr(Rollouts, "advance", judged)
        play(Run(data))
