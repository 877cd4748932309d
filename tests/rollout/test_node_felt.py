"""Which changes of a node's program packets can feel that flow now."""

from __future__ import annotations

from segue.model.program import Rule, SetField, cookie, match
from segue.model.stages import INDEX, PATH, SOURCE_PORT
from segue.rollout import felt

MARK = 0x0A5E00001000


def rules(*made: Rule) -> dict[int, Rule]:
    return {cookie(rule): rule for rule in made}


def rule(stage: str, priority: int = 100, value: int = 1, **fields: int) -> Rule:
    return Rule(stage, priority, match(fields), (SetField(PATH, value),), "chain/c")


PATHS = rules(
    rule("steer", **{PATH: 20, INDEX: 255}),
    rule("pick", **{PATH: 20, INDEX: 255}),
    rule("branch", 1200, **{PATH: 20, "eth_type": 0x0800}),
    rule("unwrap_index", **{PATH: 20}),
    rule("path_return", 20, **{SOURCE_PORT: 3, PATH: 20, INDEX: 254}),
    rule("path_return", 20, **{SOURCE_PORT: 3, PATH: 0, "eth_src": MARK}),
)


def test_a_path_comes_and_goes_unfelt() -> None:
    assert not felt(PATHS, {})
    assert not felt({}, PATHS)
    assert not felt({}, {})


def test_what_lets_packets_in_is_felt() -> None:
    classifier = rules(rule("classify", 1200, **{SOURCE_PORT: 3}))
    assert felt(classifier, {})
    assert felt({}, classifier)
    assert felt(PATHS | classifier, {})


def test_a_rule_in_the_place_of_another_is_felt() -> None:
    before = rules(rule("steer", value=1, **{PATH: 20, INDEX: 255}))
    after = rules(rule("steer", value=2, **{PATH: 20, INDEX: 255}))
    assert felt(after, before)


def test_what_comes_back_without_a_mark_is_felt() -> None:
    assert felt(rules(rule("path_return", 10, **{SOURCE_PORT: 3, PATH: 0})), {})
