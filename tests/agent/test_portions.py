"""What goes to a switch together, and what before what."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from segue.agent.portions import LARGE, MOST, NETWORK, Portion, Portions
from segue.compile.rules.graph import Changes
from segue.model.program import Group, Meter, Next, Rule, SetField, cookie, match
from segue.model.stages import SERVICE

SERVICES = {key: f"service/s{key}" for key in range(1, 9)}


def own(service: int, number: int, priority: int = 10) -> Rule:
    """A service's."""
    fields = match({SERVICE: service, "eth_type": 0x800, "ipv4_src": number})
    return Rule("service_0", priority, fields, (), SERVICES[service])


def network(number: int, *handed: int) -> Rule:
    """One of the network's, that hands packets to services."""
    actions = tuple(SetField(SERVICE, service) for service in handed)
    return Rule("ingress", 10, match(in_port=number), (*actions, Next("go_on")), "port/p")


def by_cookie(rules: Iterable[Rule]) -> dict[int, Rule]:
    return {cookie(rule): rule for rule in rules}


def changed(added: Iterable[Rule] = (), removed: Iterable[Rule] = ()) -> Changes:
    return Changes(by_cookie(added), by_cookie(removed), {}, {})


def many(service: int, count: int = LARGE) -> list[Rule]:
    return [own(service, number) for number in range(count)]


def told(*all_of_them: Changes) -> Portions:
    """With revisions from 1."""
    portions = Portions()
    portions.forget(changed(), (0, 0))
    for revision, one in enumerate(all_of_them, 1):
        portions.add(one, (revision, revision), SERVICES)
    return portions


def owners(portions: Portions) -> list[set[str]]:
    found = []
    while (portion := portions.take()) is not None:
        found.append(portion.owners)
    return found


def test_the_networks_and_what_is_small_goes_before_what_is_large() -> None:
    portions = told(changed(many(1)), changed(many(2)), changed([own(3, 1)]), changed([network(1)]))
    assert owners(portions) == [{NETWORK, SERVICES[3]}, {SERVICES[1]}, {SERVICES[2]}]
    assert not portions


def test_whatever_comes_next_passes_all_that_is_large_but_one() -> None:
    portions = told(changed([network(1)]), changed(many(1)), changed(many(2)), changed(many(3)))
    found = []
    for number in range(4):
        portion = portions.take()
        assert portion is not None
        found.append(portion.owners)
        portions.add(changed([network(2 + number), own(4, number)]), (9 + number, 9 + number), SERVICES)
    small = {NETWORK, SERVICES[4]}
    assert found == [{NETWORK}, {SERVICES[1]}, small, {SERVICES[2]}]
    assert owners(portions) == [small, {SERVICES[3]}]


def test_what_is_small_goes_together_up_to_a_limit() -> None:
    portions = told(*(changed(many(service, LARGE - 1)) for service in range(1, 8)))
    sizes = []
    while (portion := portions.take()) is not None:
        sizes.append(len(portion.changes.added))
    assert sum(sizes) == 7 * (LARGE - 1)
    assert max(sizes) <= MOST
    assert len(sizes) == 4


def test_a_service_that_packets_are_handed_to_from_now_on_goes_along() -> None:
    portions = told(Changes(by_cookie([network(1, 1), *many(1)]), {}, {}, {}))
    assert owners(portions) == [{NETWORK, SERVICES[1]}]


def test_one_that_they_were_handed_to_before_does_not() -> None:
    portions = told(changed([network(1, 1, 2), *many(1), *many(2)], [network(1, 1)]))
    assert owners(portions) == [{NETWORK, SERVICES[2]}, {SERVICES[1]}]


def test_what_is_gone_again_before_it_was_told_is_not_told() -> None:
    portions = told(changed(many(1)), changed((), many(1)), changed(many(2)), changed([own(2, 1, 7)], [own(2, 1)]))
    assert portions.behind == {SERVICES[1]: 0, SERVICES[2]: 2}
    first = portions.take()
    assert first is not None and first.owners == {SERVICES[1]} and first.size == 0
    second = portions.take()
    assert second is not None and len(second.changes.added) == LARGE and not second.changes.removed


def test_a_service_is_behind_until_all_of_it_was_taken() -> None:
    portions = told(changed([network(1)]), changed(many(1)), changed(many(2)), changed([own(1, -1)]))
    assert portions.behind == {SERVICES[1]: 1, SERVICES[2]: 2}
    assert portions.network
    assert portions.untried == {NETWORK: 0, SERVICES[1]: 1, SERVICES[2]: 2}
    portions.take()
    assert not portions.network
    assert portions.untried == {SERVICES[1]: 1, SERVICES[2]: 2}
    portions.take()
    assert portions.behind == {SERVICES[2]: 2}
    assert portions.untried == {SERVICES[2]: 2}
    portions.anew()
    assert portions.behind == {SERVICES[2]: -1}
    portions.take()
    assert portions.behind == portions.untried == {}


def test_what_is_left_to_be_told_of_a_refusal_counts_as_what_was_refused() -> None:
    """Revision 5 of a service is refused: it is behind until the place of its rule was cleared."""
    refused = own(1, 1, 7)
    portions = told(changed([network(1)]), changed(many(2)), changed([own(3, 1)]), changed(), changed([refused]))
    portion = portions.take()
    assert portion is not None and portion.owners == {NETWORK, SERVICES[1], SERVICES[3]}
    assert portions.behind == {SERVICES[2]: 1}
    # Revision 6 has come meanwhile.
    portions.refused(changed([network(2)], [refused]), (6, 6), SERVICES, by_cookie([refused]))
    assert portions.behind == {SERVICES[1]: 4, SERVICES[2]: 1}
    assert portions.untried == {NETWORK: 5, SERVICES[1]: 4, SERVICES[2]: 1}
    portion = portions.take()
    assert portion is not None and portion.owners == {NETWORK, SERVICES[1]}
    assert portion.clear == by_cookie([refused])
    assert portions.behind == {SERVICES[2]: 1}


def test_a_large_one_gives_its_turn_up_once_for_what_a_refusal_left() -> None:
    portions = told(changed([own(1, 1)]), changed(many(2)))
    found = []
    for revision in range(3, 6):
        portion = portions.take()
        assert portion is not None
        found.append(portion.owners)
        portions.refused(changed(), (revision, revision), SERVICES, by_cookie([own(1, 1)]))
    assert found == [{SERVICES[1]}, {SERVICES[1]}, {SERVICES[2]}]


def test_revisions_of_a_server_that_was_restarted_do_not_count_for_what_was_refused_meanwhile() -> None:
    portions = told(changed(), changed([own(1, 1)]))
    assert portions.take() is not None
    portions.anew()
    portions.refused(changed(), (1, 3), SERVICES, by_cookie([own(1, 1)]))
    assert portions.behind == {SERVICES[1]: -1}


def test_a_rule_that_was_refused_and_is_wanted_again_is_told_again() -> None:
    one = own(1, 1)
    portions = told(changed([one]))
    assert portions.take() is not None
    portions.refused(changed((), [one]), (2, 2), SERVICES, by_cookie([one]))
    portions.add(changed([one]), (3, 3), SERVICES)
    portion = portions.take()
    assert portion is not None and portion.changes.added == by_cookie([one])


def test_what_is_small_goes_along_when_its_time_has_come_however_much_the_network_changes() -> None:
    portions = told(changed(many(1, 150)), changed(many(2, 150)), changed(many(3, 150)))
    found = []
    for step in range(4):
        changes = changed([network(1000 * step + number) for number in range(900)], ())
        portions.add(changes, (9 + step, 9 + step), SERVICES)
        portion = portions.take()
        assert portion is not None
        found.append(portion.owners)
    assert found == [*({NETWORK, SERVICES[service]} for service in (1, 2, 3)), {NETWORK}]


def test_a_number_that_another_service_has_now_goes_with_what_was_of_the_one_before() -> None:
    """In one portion, with what was to be told of it last."""
    mine, yours = Group(7, "all", (), SERVICES[1]), Group(7, "indirect", (), SERVICES[2])
    first, second = by_cookie(many(1)), by_cookie(many(2))
    both = {SERVICES[1], SERVICES[2]}
    portions = told(
        Changes(first, {}, {7: mine}, {}), Changes({}, first, {7: None}, {}), Changes(second, {}, {7: yours}, {})
    )
    portion = portions.take()
    assert portion is not None and portion.owners == both
    assert portion.changes == Changes(second, {}, {7: yours}, {})
    # It was told, and changes hands.
    portions.add(Changes(first, second, {7: mine}, {9: Meter(9, True, (), SERVICES[2])}), (4, 4), SERVICES)
    portion = portions.take()
    assert portion is not None and portion.owners == both
    # What is compared is known of as well.
    portions.forget(Changes({}, {}, {7: yours}, {}), (5, 5))
    portions.add(Changes({}, {}, {7: None}, {9: None}), (6, 6), SERVICES)
    assert portions.behind == {SERVICES[2]: 5}


def test_a_switch_that_is_told_all_portions_holds_the_program_and_of_each_service_what_it_was_once() -> None:
    rng = Random("portions")
    largest = 0
    for _ in range(8):
        portions, revision = Portions(), 0
        program: dict[int, Rule] = {}
        switch: dict[int, Rule] = {}
        states: dict[str, list[set[int]]] = {owner: [set()] for owner in (NETWORK, *SERVICES.values())}

        def tell(portion: Portion) -> None:
            for key in portion.changes.removed:
                del switch[key]  # noqa: B023
            assert not switch.keys() & portion.changes.added.keys()  # noqa: B023
            switch.update(portion.changes.added)  # noqa: B023
            for owner, known in states.items():  # noqa: B023
                assert held(switch, owner) in known, owner  # noqa: B023

        for _ in range(40):
            if rng.random() < 0.6:
                revision += 1
                change = _change(rng, program)
                program = {key: one for key, one in program.items() if key not in change.removed} | change.added
                for owner, known in states.items():
                    known.append(held(program, owner))
                portions.add(change, (revision, revision), SERVICES)
            elif (portion := portions.take()) is not None:
                largest = max(largest, portion.size)
                tell(portion)
        while (portion := portions.take()) is not None:
            tell(portion)
        assert switch == program
    assert largest >= LARGE


def held(rules: dict[int, Rule], owner: str) -> set[int]:
    return {key for key, rule in rules.items() if (rule.owner if rule.stage == "service_0" else NETWORK) == owner}


def _change(rng: Random, program: dict[int, Rule]) -> Changes:
    added: dict[int, Rule] = {}
    removed: dict[int, Rule] = {}
    for service in rng.sample(sorted(SERVICES), rng.choice((0, 1, 2))):
        some = range(rng.choice((1, 5, LARGE + 10)))
        for rule in (own(service, number, rng.choice((5, 6))) for number in some):
            (removed if cookie(rule) in program else added)[cookie(rule)] = rule
    for number in range(rng.choice((0, 0, 3))):
        rule = network(number, *rng.sample(sorted(SERVICES), rng.choice((0, 1))))
        (removed if cookie(rule) in program else added)[cookie(rule)] = rule
    return Changes(added, removed, {}, {})
