"""What is written reads back the same; differences say what changed."""

import json

import yaml
from hypothesis import given, settings
from intent_objects import OBJECTS

from segue import intent
from segue.model.intent import Chain, Network, Port


@given(OBJECTS)
@settings(max_examples=200, deadline=None)
def test_dump_reads_back(objects):
    for form in ("yaml", "json"):
        text = intent.dump(objects, form)
        again = intent.parse(text, "t").objects
        assert again == objects
        assert intent.dump(again, form) == text


@given(OBJECTS)
@settings(max_examples=100, deadline=None)
def test_other_yaml_readers_see_the_same_words(objects):
    """PyYAML follows YAML 1.1, in which more words are something else than text."""
    assert yaml.safe_load(intent.dump(objects)) == json.loads(intent.dump(objects, "json"))


def test_dump_is_canonical():
    text = intent.dump(
        intent.parse(
            "groups: {b: [z], a: [x]}\nnodes: {n1: 192.0.2.1}\nports: {'no': {node: 'null'}, p: }", "t"
        ).objects
    )
    assert (
        text
        == """\
nodes:
  n1:
    address: 192.0.2.1
ports:
  "no":
    node: "null"
  p: {}
groups:
  a:
    instances: [x]
  b:
    instances: [z]
"""
    )


def test_dump_of_nothing():
    assert intent.parse(intent.dump({}), "t").objects == intent.parse(intent.dump({}, "json"), "t").objects == {}


@given(OBJECTS, OBJECTS)
@settings(max_examples=50, deadline=None)
def test_difference_is_empty_exactly_when_equal(old, new):
    assert bool(intent.diff(old, new)) == (old != new)
    assert not intent.diff(old, dict(reversed(old.items())))
    changed = {(change.kind, change.name) for change in intent.diff(old, new)}
    assert changed == {ref for ref in old.keys() | new.keys() if old.get(ref) != new.get(ref)}


def test_difference_reads_well():
    old = {
        ("network", "web"): Network(name="web"),
        ("port", "p"): Port(name="p", node="n1"),
        ("chain", "c"): Chain(name="c", classifiers=("a",), groups=("f", "g"), symmetric=True),
    }
    new = {
        ("port", "p"): Port(name="p", network="web", addresses=("10.0.0.1", "10.0.0.2")),
        ("port", "q"): Port(name="q", node="n2"),
        ("chain", "c"): Chain(name="c", classifiers=("a",), groups=("g",), precedence=7),
    }
    assert (
        str(intent.diff(old, new))
        == """\
- network "web"
~ port "p"
    network: (none) -> web
    node: n1 -> (none)
    addresses: [] -> [10.0.0.1, 10.0.0.2]
+ port "q"
    node: n2
~ chain "c"
    groups: [f, g] -> [g]
    symmetric: true -> false
    precedence: 100 -> 7
1 to add, 2 to change, 1 to remove"""
    )
    assert str(intent.diff(new, new)) == "nothing changes"
