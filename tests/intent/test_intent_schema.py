"""The published schema is current, and never refuses what the parser takes."""

import copy
import json
from pathlib import Path

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intent_objects import OBJECTS
from test_intent_errors import CASES

from segue import intent
from segue.intent.fields import FIELDS, MISSING, REQUIRED, SHORT
from segue.intent.labread import HOST
from segue.intent.text import Plain, Text
from segue.model.intent import KINDS

ROOT = Path(__file__).parents[2]
SCHEMA = intent.schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
FILES = sorted([*ROOT.glob("examples/**/*.yaml"), *ROOT.glob("examples/**/*.json")])
EXAMPLES = [path for path in FILES if "heat_template_version" not in path.read_text()]


def core(raw, where=()):
    """A tree of words as YAML 1.2 readers (editors) resolve them."""
    if isinstance(raw, dict):
        return {key: core(value) for key, value in raw.items()}
    if isinstance(raw, list):
        return [core(value) for value in raw]
    if isinstance(raw, Plain):
        if raw in ("true", "false"):
            return raw == "true"
        if raw.startswith("0x"):
            return int(raw, 16)
        return int(raw) if raw.lstrip("-").isdigit() else str(raw)
    return raw


def fits(text: str) -> bool:
    return all(VALIDATOR.is_valid(core(tree)) for tree in Text(text, "t").documents)


def reads(text: str) -> bool:
    try:
        intent.parse(text, "t")
    except intent.IntentError:
        return False
    return True


def test_published_schema_is_current():
    assert json.loads((ROOT / "docs" / "schema.json").read_text()) == SCHEMA


def test_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_fit(path):
    text = path.read_text()
    assert reads(text) and fits(text)


def test_there_are_examples():
    assert EXAMPLES


def test_tables_name_exactly_the_fields_of_the_structs():
    for kind, cls in KINDS.items():
        assert set(FIELDS[kind]) == set(cls.__struct_fields__) - {"name"}
        assert not set(SHORT[kind]) & set(FIELDS[kind])
    assert set(SHORT) == set(KINDS)
    assert set(HOST) == set(intent.HostSection.__struct_fields__) - {"name"}
    assert set(MISSING) == {(kind, field) for kind in KINDS for field in REQUIRED[kind]}


@pytest.mark.parametrize(
    ("field", "fragment"),
    [
        *((f, f.type.schema) for fields in (*FIELDS.values(), HOST) for f in fields.values()),
        *((f, f.schema) for fields in SHORT.values() for f in fields.values()),
    ],
)
def test_examples_of_fields_are_good(field, fragment):
    jsonschema.Draft202012Validator({**fragment, "$defs": SCHEMA["$defs"]}).validate(field.example)
    if hasattr(field, "type"):
        field.type.read(field.example)


@given(OBJECTS)
@settings(max_examples=100, deadline=None)
def test_long_forms_fit(objects):
    VALIDATOR.validate(json.loads(intent.dump(objects, "json")))


GOOD = """
segue: 1
nodes: [n1, n2]
---
nodes: {n1: 192.0.2.1, n2: {address: '2001:db8::2', encapsulations: [nsh]}}
networks: {a: 10.0.0.0/24, b: [10.1.0.0/24, {cidr: '2001:db8::/64', gateway: '2001:db8::1'}], c: , e: {},
  d: {subnets: [10.2.0.0/24], gateway: 10.2.0.1}, f: {cidr: 10.0.0.0/8}}
subnets: {s: {network: c, cidr: 10.3.0.0/24, gateway: null}}
routers: {r: [x], q: {subnets: [x], routes: [{destination: 0.0.0.0/0, via: 10.0.0.2}]}}
ports: {p: , q: {network: a, address: 10.0.0.1, mac: 52:54:00:12:34:56}, o: {network: a, addresses: [10.0.0.1],
  allowed: [10.0.0.2, {ip: 10.0.0.3, mac: null}]}, x: {network: null, addresses: []}}
instances: {i: n1, j: {node: n1, arms: 1}, k: {port: p, weight: 0}, l: {ingress: p, egress: q, mode: route}}
groups: {g: [i], h: {instances: []}}
classifiers: {c: , d: {from: p, to: 10.0.0.0/8}, e: {protocol: 6, source_ports: 1-2, destination_ports: [3, 4]},
  f: {protocol: udp, source_ports: 53, destination_ports: null}, h: {ethertype: 0x88b5}, i: {protocol: '17'}}
chains: {x: {match: c, through: [i]}, y: {match: {}, through: [[i, j], [i, j]]}, z: {match: [c, {to: p}], groups: [g]}}
services: {s: {hook: ingress}, t: {hook: forward, attach: [port/p, network/n, router/r], permissions: {drop: true,
  rewrite: [vlan, udp_dst]}, order: 0, flows: 0, packet_ins: 0}, u: {hook: egress, permissions: {rewrite: [eth_src]}}}
lab: {name: l, hosts: {a: , b: {run: x, env: {A: b, C: }}, c: {run: [x, y], ports: [p], forward: true}}}
---
lab:
ports:
"""


def test_good_documents_are_good_to_both():
    documents = GOOD.split("---")
    assert all(reads(text) and fits(text) for text in documents)


BEYOND_SCHEMAS = {
    "has bits set behind",
    "are of two families",
    "does not have; write protocol",
    "is declared twice",
    "is that of node",
    "there are two lab",
    "in none of its subnets",
    "has one already",
    "outside 10.0.0.0/24",
    "the broadcast address",
    "no gateway for the router",
    "not of its family",
    "a multicast address; write one such as",
    "the name made from it",
    "has no ports; write",
    "write the lower one first",
    "is IPv4, while",
    "is IPv6, while",
    "have no IP header",
    "say the same thing",
    "from is \"10.0.0.300\"",
    "ethertype is 0x0800",
    "twice, at",
    "surrogate",
    "a link-local address; write one that is routed",
    "in the form of an IPv6 one",
}  # fmt: skip
"""What only the parser sees."""


@pytest.mark.parametrize(("text", "message"), CASES.items(), ids=lambda x: str(x)[:40].encode("ascii", "replace"))
def test_bad_documents_are_bad_to_both(text, message):
    try:
        Text(text, "t")
    except intent.IntentError:
        return  # not even a tree
    if not any(part in message for part in BEYOND_SCHEMAS):
        assert not fits(text)


WORDS = st.sampled_from(
    sorted({name for table in (FIELDS, SHORT) for fields in table.values() for name in fields} | {"p", "n1", "c"})
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 70_000),
    st.sampled_from(["p", "10.0.0.1", "10.0.0.0/24", "tcp", "80-90", "ipv4", "02:00:00:00:00:01", "route", "", "::1"]),
)
BODIES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4), max_leaves=8
)


@st.composite
def bodies_of(draw):
    """A body with fields that its kind has, mostly, at values of the right type, mostly."""
    kind = draw(st.sampled_from(list(KINDS)))
    table = {**FIELDS[kind], **SHORT[kind]}
    names = draw(st.lists(st.sampled_from(sorted(table)), unique=True))
    good = {name: copy.deepcopy(table[name].example) for name in names}
    for name in draw(st.lists(st.sampled_from(sorted(table)), max_size=1)):
        good[name] = draw(BODIES)
    return {f"{kind}s": {"a": good}}


@given(
    bodies_of()
    | st.dictionaries(
        st.sampled_from([f"{kind}s" for kind in KINDS] + ["lab"]), st.dictionaries(WORDS, BODIES, max_size=2)
    )
)
@settings(max_examples=500, deadline=None)
def test_what_the_parser_takes_fits_the_schema(tree):
    text = json.dumps(tree)
    if reads(text):
        VALIDATOR.validate(tree)


def test_defaults_are_those_of_the_structs():
    for kind, cls in KINDS.items():
        properties = SCHEMA["$defs"][kind]["properties"]
        for field in msgspec.structs.fields(cls):
            if field.default not in (msgspec.NODEFAULT, None):
                default = msgspec.json.decode(msgspec.json.encode(field.default))
                assert properties[field.name]["default"] == default
