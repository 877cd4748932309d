"""What a Heat template asks for and cannot have is named: file, line, resource, what is wrong, what to write."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from segue import intent
from segue.intent.heat_given import read_given
from segue.intent.heat_types import TYPES

EXAMPLE = (Path(__file__).parents[2] / "examples" / "heat.yaml").read_text()
HEAD = "heat_template_version: rocky\n"


def refusal(text):
    with pytest.raises(intent.IntentError) as caught:
        intent.parse(text, "t.yaml")
    return str(caught.value)


TEXTS = {
    "a version": (
        "heat_template_version: 2021-04-17",
        '1: heat_template_version is "2021-04-17", which is not known; did you mean 2021-04-16?',
    ),
    "two documents": (
        HEAD + "---\nports: {}",
        "2: a Heat template is one YAML document; write each into a file of its own",
    ),
    "an intent's key": (
        HEAD + "resource: {}",
        '2: there is no key "resource" in a Heat template; did you mean resources?',
    ),
    "a server": (
        HEAD + "resources:\n  vm: {type: OS::Nova::Server}",
        '3: resource "vm": is of type "OS::Nova::Server", which Segue does not have; Segue runs no servers; declare '
        "its port as OS::Neutron::Port, and bind its interface to that",
    ),
    "a type": (
        HEAD + "resources:\n  x:\n    type: OS::Neutron::Network",
        '4: resource "x": is of type "OS::Neutron::Network", which Segue does not have; did you mean OS::Neutron::Net?',
    ),
    "a part": (
        HEAD + "resources:\n  x: {type: OS::Neutron::Net, depend: a}",
        '3: resource "x": there is no field "depend"; did you mean depends_on?',
    ),
    "a dependency": (
        HEAD + "resources:\n  first: {type: OS::Neutron::Net, depends_on: [frst]}",
        '3: resource "first": depends_on names "frst", which is not there; did you mean first?',
    ),
    "a policy": (
        HEAD + "resources:\n  x: {type: OS::Neutron::Net, deletion_policy: Retain}",
        '3: resource "x": deletion_policy is not supported; Segue deletes what it is told to delete; remove it',
    ),
    "conditions in a circle": (
        HEAD + "conditions: {a: {not: b}, b: a}\nresources:\n  x: {type: OS::Neutron::Net, condition: a}",
        '4: resource "x": condition asks for condition "a", which asks for condition "b", which asks for condition "a"'
        ", which asks for itself; break the circle",
    ),
    "one name twice": (
        HEAD + "resources:\n  a: {type: OS::Neutron::Net}\n  b: {type: OS::Neutron::Net, properties: {name: a}}",
        '4: resource "b": network "a" is declared twice (see line 3); rename or remove one',
    ),
    "properties in a circle": (
        HEAD
        + "resources:\n  a:\n    type: OS::Neutron::Net\n    properties:\n      name: {get_attr: [a, description]}\n"
        "      description: {get_attr: [a, name]}",
        '7: resource "a": description needs name of resource "a", which needs it in turn; write one of them out',
    ),
    "a router without a gateway": (
        HEAD + "resources:\n  r: {type: OS::Neutron::Router}\n"
        "  s: {type: OS::Neutron::Subnet, properties: {network: n, cidr: 10.0.0.0/24, gateway_ip: null}}\n"
        "  i: {type: OS::Neutron::RouterInterface, properties: {router: r, subnet: s}}",
        '5: resource "i": subnet "s" has no gateway for the router to answer at; give it a gateway_ip',
    ),
    "no address left": (
        HEAD + "resources:\n  s: {type: OS::Neutron::Subnet, properties: {network: n, cidr: 10.0.0.0/30}}\n"
        "  p: {type: OS::Neutron::Port, properties: {network: n}}\n"
        "  q: {type: OS::Neutron::Port, properties: {network: n}}",
        '5: resource "q": gets no address: subnet "s" has none left; write a larger cidr or pool',
    ),
    "an address outside its subnet": (
        HEAD + "resources:\n  s: {type: OS::Neutron::Subnet, properties: {network: n, cidr: 10.0.0.0/30}}\n"
        "  p: {type: OS::Neutron::Port, properties: {network: n, fixed_ips: [{subnet: s, ip_address: 10.0.1.1}]}}",
        '4: resource "p": fixed_ips item 1 has ip_address "10.0.1.1", which is not in 10.0.0.0/30; '
        "write an address of that subnet",
    ),
    "an address that waits for itself": (
        HEAD + "resources:\n  s: {type: OS::Neutron::Subnet, properties: {network: n, cidr: 10.0.0.0/24}}\n  p:\n"
        "    type: OS::Neutron::Port\n    properties:\n      network: n\n"
        "      fixed_ips: [{ip_address: {get_attr: [q, fixed_ips, 0, ip_address]}}]\n"
        "  q: {type: OS::Neutron::Port, properties: {network: n}}",
        '8: resource "p": fixed_ips needs fixed_ips of resource "p", which needs it in turn; write one of them out',
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_templates(name):
    text, message = TEXTS[name]
    assert refusal(text) == f"t.yaml:{message}"


PROPERTIES = [
    ("Net", "nam: x", 'there is no property "nam"; did you mean name?'),
    (
        "Net",
        "description: {str_replace_vstrict: {template: ab, params: {a: b, b: ''}}}",
        'description "b" is replaced by nothing; give it a value',
    ),
    (
        "Net",
        "description: {str_replace_strict: {template: ab, params: {a: '', c: d}}}",
        'description "c" is not in the template; remove it from params',
    ),
    ("Net", "admin_state_up: false", 'admin_state_up is "false", which Segue cannot do; '),
    ("Net", "name: a b", 'name is "a b", which is no name; '),
    ("Net", "name: [a]", "name must be text, not a list"),
    (
        "Net",
        "name: {get_file: x}",
        "name asks for function get_file, which Segue does not have; write the file's content",
    ),
    ("Net", "name: {get_param: y}", 'name asks for parameter "y", which the template does not have; '),
    ("Net", "name: {get_param: 'OS::stack_name'}", "name asks for OS::stack_name, and there is no stack here; "),
    ("Net", "name: {get_resource: xs}", 'name refers to resource "xs", which is not there; did you mean x?'),
    (
        "Net",
        "name: {get_attr: [x, mtu]}",
        'name asks for "mtu" of resource "x", which only a cloud knows; write it out',
    ),
    ("Net", "name: {list_join: a}", "name list_join is "),
    ("Net", "name: {if: [c, a]}", 'name refers to condition "c", which is not there; declare it'),
    ("Subnet", "network: n", "has no cidr; write cidr: ..."),
    ("Subnet", "network: n, cidr: 10.0.0.1/24", 'cidr is "10.0.0.1/24", which has bits set behind the prefix; '),
    ("Subnet", "network: n, cidr: 10.0.0.0/24, ip_version: 6", "ip_version is 6, while cidr is 10.0.0.0/24; write 4"),
    ("Subnet", "network: n, cidr: 10.0.0.0/24, dns_nameservers: [8.8.8.8]", "dns_nameservers is a list, which Segue "),
    ("Subnet", "network: n, cidr: 10.0.0.0/24, gateway_ip: 10.0.1.1", "gateway_ip is 10.0.1.1, outside 10.0.0.0/24; "),
    ("Subnet", "network: n, network_id: n, cidr: 10.0.0.0/24", "network_id says the same as network; keep network"),
    (
        "Subnet",
        "network: n, cidr: 10.0.0.0/24, allocation_pools: [{start: 10.0.0.2, end: 10.0.1.3}]",
        'allocation_pools item 1 has end "10.0.1.3", which is not in 10.0.0.0/24; write end: ADDRESS',
    ),
    ("Port", "no_fixed_ips: true", "has no network; write network: ..."),
    ("Port", "network: n", 'has no fixed_ips, and network "n" has no subnet in this template to take one from; write '),
    (
        "Port",
        "network: n, fixed_ips: [{subnet: s}]",
        'fixed_ips asks for an address of subnet "s", which is not in this',
    ),
    ("Port", "network: n, fixed_ips: [{}]", "fixed_ips item 1 has neither subnet nor ip_address; write ip_address"),
    ("Port", "network: n, fixed_ips: [{ip_address: 10.0.0.300}]", 'fixed_ips item 1 is "10.0.0.300", which is no IP '),
    (
        "Port",
        "network: n, no_fixed_ips: true, security_groups: [a]",
        "security_groups is a list, which Segue cannot do; ",
    ),
    (
        "Port",
        "network: n, no_fixed_ips: true, allowed_address_pairs: [{}]",
        "allowed_address_pairs item 1 has no ip_addr",
    ),
    (
        "Port",
        "network: {get_resource: x}, no_fixed_ips: true",
        'network refers to resource "x", a port; write get_resour',
    ),
    ("RouterInterface", "router: r, subnet: s", 'router is "r", not in this template; '),
    ("RouterInterface", "router: r, subnet: s, port: p", 'port is "p", which Segue cannot do; write subnet; a router '),
    ("Router", "external_gateway_info: {network: a}", "external_gateway_info is a mapping, which Segue cannot do; "),
    ("FlowClassifier", "ethertype: arp", 'ethertype is "arp"; write IPv4 or IPv6'),
    (
        "FlowClassifier",
        "source_ip_prefix: '::/0'",
        "source_ip_prefix is IPv6, while ethertype is IPv4; write ethertype: ",
    ),
    (
        "FlowClassifier",
        "source_port_range_min: 80",
        "source_port_range_min needs a protocol; write protocol: tcp (or ud",
    ),
    (
        "FlowClassifier",
        "protocol: icmp, destination_port_range_max: 80",
        "destination_port_range_max cannot be asked for",
    ),
    (
        "FlowClassifier",
        "protocol: tcp, source_port_range_min: 9, source_port_range_max: 8",
        "source_port_range_min is 9, m",
    ),
    ("FlowClassifier", "protocol: gre", 'protocol is "gre"; write tcp, udp, sctp, icmp or a number from 0 to 255'),
    ("FlowClassifier", "l7_parameters: {url: x}", "l7_parameters is a mapping, which Segue cannot do; "),
    ("PortPair", "ingress: a", "has no egress; write egress: ..."),
    (
        "PortPair",
        "ingress: a, egress: b, service_function_parameters: {correlation: vlan}",
        "service_function_parameters ",
    ),
    (
        "PortPair",
        "ingress: a, egress: b, service_function_parameters: {weight: x}",
        "service_function_parameters weight i",
    ),
    ("PortPairGroup", "port_pairs: a", 'port_pairs must be a list, not "a"; '),
    (
        "PortPairGroup",
        "port_pairs: [a, b], tap_enabled: true",
        "port_pairs are 2, while a tap has one; write a group for ",
    ),
    (
        "PortPairGroup",
        "port_pairs: [a], port_pair_group_parameters: {lb_fields: [eth_dst]}",
        "lb_fields cannot be these: ",
    ),
    (
        "PortPairGroup",
        "port_pairs: [a], port_pair_group_parameters: {ppg_n_tuple_mapping: {egress_n_tuple: {a: 1}}}",
        'port_pair_group_parameters has egress_n_tuple, which has no "a"; it has source_ip_prefix, ',
    ),
    (
        "PortPairGroup",
        "port_pairs: [a], port_pair_group_parameters: {ppg_n_tuple_mapping: {egress_n_tupel: {}}}",
        'port_pair_group_parameters has ppg_n_tuple_mapping, which has no "egress_n_tupel"; did you mean ',
    ),
    (
        "PortPairGroup",
        "port_pairs: [a], port_pair_group_parameters: {ppg_n_tuple_mapping: [x]}",
        "port_pair_group_parameters has ppg_n_tuple_mapping, which must be a mapping, not a list; ",
    ),
    (
        "PortPairGroup",
        "port_pairs: [a], port_pair_group_parameters: {ppg_n_tuple_mapping: {ingress_n_tuple: {source_ip_prefix: x}}}",
        'ppg_n_tuple_mapping ingress source_prefix is "x", which is no IP prefix; write one such as ',
    ),
    (
        "PortPairGroup",
        "port_pairs: [a], port_pair_group_parameters: {ppg_n_tuple_mapping: {ingress_n_tuple: "
        "{source_port_range_min: 70000}}}",
        "port_pair_group_parameters source_port_range_min is ",
    ),
    ("PortChain", "port_pair_groups: [a]", "has no flow_classifiers; write flow_classifiers: ..."),
    ("PortChain", "port_pair_groups: [], flow_classifiers: [c]", "port_pair_groups is empty; write at least 1"),
    (
        "PortChain",
        "port_pair_groups: [a], flow_classifiers: [c], chain_id: 7",
        'chain_id is "7", which Segue cannot do; ',
    ),
    (
        "PortChain",
        "port_pair_groups: [a], flow_classifiers: [c], chain_parameters: {correlation: null}",
        "chain_parameters correlation is nothing; write mpls or nsh",
    ),
    ("ServiceGraph", "name: g", "has no port_chains; write port_chains: ..."),
    ("ServiceGraph", "port_chains: [a, b]", "port_chains must be a mapping, not a list; write {CHAIN: [CHAIN"),
    ("ServiceGraph", "port_chains: {a: b}", 'port_chains has "a", which is "b"; write a list of chains'),
    ("ServiceGraph", "port_chains: {a: []}", "port_chains item 1 into is empty; write at least 1"),
    ("ServiceGraph", "port_chains: {a: [{x: y}]}", "port_chains must be text, not a mapping"),
]


@pytest.mark.parametrize(("kind", "properties", "message"), PROPERTIES)
def test_properties(kind, properties, message):
    text = f"{HEAD}resources:\n  x:\n    type: OS::Neutron::{kind}\n    properties: {{{properties}}}"
    said = refusal(text)
    line = 3 if message.startswith("has no ") else 5
    assert said.startswith(f't.yaml:{line}: resource "x": {message}')
    assert "; " in said or "must be text" in said
    assert "\n" not in said


PARAMETERS = [
    ("{type: string}", "has no value and no default; give it: --param p=VALUE"),
    ("{type: strin}", 'has type "strin"; did you mean string?'),
    ("{}", "has no type; write one of string, number, boolean, comma_delimited_list, json"),
    ("{type: number, default: x}", "x (its default) must be a number; write a number"),
    ("{type: boolean, default: x}", "x (its default) must be true or false; write true or false"),
    ("{type: json, default: '{a'}", "{a (its default) is not JSON; write a mapping or a list"),
    (
        "{type: string, default: abc, constraints: [{length: {max: 2}}]}",
        "abc (its default) has length 3; write one of 2 o",
    ),
    (
        "{type: number, default: 7, constraints: [{range: {max: 2}}]}",
        "7 (its default) is out of range; write one of 2 or ",
    ),
    (
        "{type: number, default: 7, constraints: [{modulo: {step: 2}}]}",
        "7 (its default) is not allowed; write 0 and mult",
    ),
    (
        "{type: string, default: c, constraints: [{allowed_values: [a, b]}]}",
        "c (its default) is not allowed; write one of",
    ),
    (
        "{type: string, default: c, constraints: [{allowed_pattern: '[0-9]'}]}",
        "c (its default) is not allowed; write what",
    ),
    (
        "{type: string, default: c, constraints: [{allowed_pattern: '(a'}]}",
        'allowed_pattern is "(a", which is no pattern',
    ),
    ("{type: string, default: c, constraints: [{lenght: 3}]}", 'there is no constraint "lenght"; did you mean length?'),
    (
        "{type: string, hidden: true, default: c, constraints: [{length: {min: 2}}]}",
        "its value (its default) has length 1",
    ),
]


@pytest.mark.parametrize(("schema", "message"), PARAMETERS)
def test_parameters(schema, message):
    assert refusal(f"{HEAD}parameters:\n  p: {schema}").startswith(f't.yaml:3: parameter "p": {message}')


def test_what_is_given_is_told_with_where_it_was_given():
    text = f"{HEAD}parameters:\n  size: {{type: number}}"
    with pytest.raises(intent.IntentError) as caught:
        intent.parse(text, "t.yaml", given=read_given({}, [("e.yaml", "parameters:\n  size: big")]))
    assert str(caught.value) == 't.yaml:3: parameter "size": big (e.yaml:2) must be a number; write a number'
    known = read_given({"siz": "1", "size": "2"}, ())
    intent.parse(text, "t.yaml", given=known)
    assert [str(problem) for problem in known.unasked()] == ['--param: there is no parameter "siz"; did you mean size?']
    with pytest.raises(intent.IntentError) as caught:
        read_given({}, [("e.yaml", "parameters: {a: 1}\nresource_registry:\n  a: b\nfoo: 1")])
    assert str(caught.value).splitlines() == [
        "e.yaml:2: resource_registry of an environment is not read; remove it",
        'e.yaml:4: there is no key "foo" in an environment; an environment has parameters and parameter_defaults',
    ]


def test_all_mistakes_of_a_template_are_told_together_and_each_once():
    text = f"""{HEAD}
resources:
  net: {{type: OS::Neutron::Net, properties: {{name: {{get_param: a}}, shared: true}}}}
  s: {{type: OS::Neutron::Subnet, properties: {{network: {{get_resource: net}}, cidr: 10.0.0.0/24, host_routes: [a]}}}}
  p: {{type: OS::Neutron::Port, properties: {{network: {{get_resource: net}}}}}}
  vm: {{type: OS::Nova::Server}}
  q: {{type: OS::Neutron::Port, properties: {{network: {{get_attr: [vm, networks]}}, qos_policy: gold}}}}
"""
    lines = [line.split(": ")[0] + " " + line.split(": ")[2].split(" ")[0] for line in refusal(text).splitlines()]
    assert lines == ["t.yaml:4 shared", "t.yaml:4 name", "t.yaml:5 host_routes", "t.yaml:7 is", "t.yaml:8 qos_policy"]


def repeated(template, count, rounds):
    for word in range(rounds):
        template = {"repeat": {"template": template, "for_each": {f"w{word}": list(range(count))}}}
    return template


def replaced(template, rounds):
    for _ in range(rounds):
        template = {"str_replace": {"template": template, "params": {"a": "aaaaaaaa"}}}
    return template


BOMBS = {
    "repeat": repeated("x", 400, 3),
    "permutations": {"repeat": {"template": "x", "for_each": {f"w{i}": list(range(10)) for i in range(12)}}},
    "words": {"str_replace": {"template": "a" * 20_000, "params": {"a": "b" * 20_000}}},
    "join": {"list_join": ["a" * 20_000, ["b"] * 400]},
    "nesting": replaced("aaaaaaaa", 9),
}


@pytest.mark.parametrize("name", BOMBS)
def test_little_that_makes_much_is_refused_soon(name):
    net = {"type": "OS::Neutron::Net", "properties": {"description": BOMBS[name]}}
    text = json.dumps({"heat_template_version": "rocky", "resources": {"x": net}})
    started = time.monotonic()
    assert "makes too much of this template" in refusal(text)
    assert time.monotonic() - started < 60  # one or two


def test_a_long_row_of_resources_ends_in_a_message():
    rows = "".join(
        f"  r{i}: {{type: OS::Neutron::Net, properties: {{description: {{get_attr: [r{i + 1}, description]}}}}}}\n"
        for i in range(500)
    )
    said = refusal(f"{HEAD}resources:\n{rows}  r500: {{type: OS::Neutron::Net, properties: {{description: a}}}}\n")
    assert "leads through more than 64 others; write the value out" in said


def survives(text):
    try:
        document = intent.parse(text, "t")
    except intent.IntentError as error:
        assert error.problems and str(error)
    else:
        assert all(document.lines[ref] >= 1 for ref in document.objects)
        assert intent.parse(intent.dump(document.objects), "t").objects == document.objects


FUNCTIONS = [
    "get_param",
    "get_attr",
    "get_resource",
    "list_join",
    "list_concat",
    "map_merge",
    "str_replace",
    "str_split",
]
KEYS = [*FUNCTIONS, "repeat", "if", "equals", "not", "and", "or", "contains", "template", "params", "for_each", "type"]
KEYS += ["properties", "condition", "depends_on", "default", "constraints", "length", "range", "allowed_pattern", "min"]
WORDS = ["a", "b", "c", "fixed_ips", "name", "true", "10.0.0.0/24", "10.0.0.1", "string", "number", "json", "0", "-1"]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(WORDS) | st.text()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def templates(draw):
    resources = {}
    for name in draw(st.lists(st.sampled_from("abc"), unique=True)):
        kind = draw(st.sampled_from([*TYPES, "OS::Nova::Server"]))
        known = sorted(TYPES[kind].known) if kind in TYPES else ["name"]
        properties = draw(st.dictionaries(st.sampled_from(known), VALUES, max_size=5))
        resources[name] = {"type": kind, "properties": properties} | draw(
            st.dictionaries(st.sampled_from(["condition", "depends_on", "metadata"]), VALUES, max_size=1)
        )
    sections = {"heat_template_version": "rocky", "resources": resources}
    for name in ("parameters", "conditions"):
        sections[name] = draw(VALUES | st.dictionaries(st.sampled_from("abc"), VALUES, max_size=2))
    return sections | draw(
        st.dictionaries(st.sampled_from(["outputs", "description", "resources"]), VALUES, max_size=1)
    )


@given(templates())
@settings(max_examples=600, deadline=None)
def test_any_template(tree):
    survives(json.dumps(tree))


@given(VALUES)
@settings(max_examples=200, deadline=None)
@example(
    {"resources": {"a": {"type": "OS::Neutron::Port", "properties": {"network": 1, "fixed_ips": [{"subnet": {}}]}}}}
)
def test_any_tree_with_a_version(tree):
    survives(json.dumps({"heat_template_version": "rocky"} | (tree if isinstance(tree, dict) else {"resources": tree})))


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_good_template_with_damage(data):
    text = EXAMPLE
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(30, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 12)))
        text = text[:start] + data.draw(st.text("{}[]:,-&*!|'\"#/ \n\tnull019.", max_size=4)) + text[end:]
    survives(text)
