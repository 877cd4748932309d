"""Heat templates become the objects that their resources describe."""

from pathlib import Path

import pytest

from segue import intent
from segue.intent.heat_given import read_given
from segue.intent.heat_pattern import matches
from segue.intent.problems import Bad
from segue.model.intent import (
    AddressPair,
    Branch,
    Chain,
    Classifier,
    Graph,
    Group,
    Instance,
    Maps,
    Network,
    NTuple,
    Port,
    Router,
    Subnet,
)
from segue.server.conductor import Conductor
from segue.store.sqlite import SqliteStore

EXAMPLE = Path(__file__).parents[2] / "examples" / "heat.yaml"
HEAD = "heat_template_version: 2016-10-14\n"

CHAINING = """\
heat_template_version: 2015-04-30
description: Service chaining with two functions, as networking-sfc's own examples have it
parameters:
  private_net: {type: string}
  correlation: {type: string, default: mpls}
resources:
  p1: {type: "OS::Neutron::Port", properties: {network: {get_param: private_net}, no_fixed_ips: true}}
  p2: {type: "OS::Neutron::Port", properties: {network: {get_param: private_net}, no_fixed_ips: true}}
  p3: {type: "OS::Neutron::Port", properties: {network: {get_param: private_net}, no_fixed_ips: true}}
  pp1:
    type: OS::Neutron::PortPair
    properties: {name: PP1, ingress: {get_resource: p1}, egress: {get_resource: p2}}
  pp2:
    type: OS::Neutron::PortPair
    depends_on: [pp1]
    properties:
      ingress: p3
      egress: p3
      service_function_parameters: {correlation: nsh, weight: '3'}
  ppg1: {type: "OS::Neutron::PortPairGroup", properties: {port_pairs: [{get_resource: pp1}]}}
  ppg2:
    type: OS::Neutron::PortPairGroup
    properties:
      port_pairs: [pp2]
      tap_enabled: false
      port_pair_group_parameters:
        lb_fields: [ip_src]
        ppg_n_tuple_mapping: {ingress_n_tuple: {}, egress_n_tuple: {}}
  fc1:
    type: OS::Neutron::FlowClassifier
    properties:
      name: FC1
      description: all of a server's answers
      ethertype: IPv4
      protocol: TCP
      source_ip_prefix: 22.1.20.1/32
      destination_ip_prefix: 172.4.5.6/32
      source_port_range_min: 23
      source_port_range_max: 23
      destination_port_range_min: 100
      logical_source_port: {get_resource: p1}
      l7_parameters: {}
  chain:
    type: OS::Neutron::PortChain
    properties:
      name: PC1
      port_pair_groups: [{get_resource: ppg1}, {get_resource: ppg2}]
      flow_classifiers: [{get_resource: fc1}]
      chain_parameters: {correlation: {get_param: correlation}, symmetric: 'True'}
outputs:
  id: {value: {get_attr: [nobody, cares]}}
"""


def read(text, files=(), **parameters):
    return intent.parse(text, "t.yaml", given=read_given(parameters, files)).objects


def port(text, **parameters):
    """The one port "p" of resources that are written behind it."""
    found = read(HEAD + text, **parameters)["port", "p"]
    assert isinstance(found, Port)
    return found


def prefix(value, parameters="", files=(), **given):
    """What a property's value comes to."""
    text = f"{HEAD}parameters: {{{parameters}}}\nresources:\n  n: {{type: OS::Neutron::Net, properties: "
    text += f"{{description: {value}}}}}\n"
    return read(text, files, **given)["network", "n"].description


MAPPING = """\
resources:
  g:
    type: OS::Neutron::PortPairGroup
    properties:
      port_pairs: [nat]
      port_pair_group_parameters:
        ppg_n_tuple_mapping:
          ingress_n_tuple: {source_ip_prefix: {get_param: inside}, source_port_range_max: '1023'}
          egress_n_tuple:
            source_ip_prefix: 10.9.0.1/32
            source_port_range_min: 1024
            destination_port_range_min: 80
            destination_port_range_max: 80
"""


def test_an_n_tuple_mapping():
    found = read(f"{HEAD}parameters: {{inside: {{type: string}}}}\n{MAPPING}", inside="10.0.0.0/24")["group", "g"]
    assert found.maps == Maps(
        NTuple(source_prefix="10.0.0.0/24", source_ports=(0, 1023)),
        NTuple(source_prefix="10.9.0.1/32", source_ports=(1024, 65535), destination_ports=(80, 80)),
    )
    assert intent.parse(intent.dump({("group", "g"): found}), "again").objects["group", "g"] == found


def test_the_pieces_of_a_chain():
    objects = read(CHAINING, private_net="private")
    assert objects == {
        ("port", "p1"): Port(name="p1", network="private"),
        ("port", "p2"): Port(name="p2", network="private"),
        ("port", "p3"): Port(name="p3", network="private"),
        ("instance", "PP1"): Instance(name="PP1", ingress="p1", egress="p2"),
        ("instance", "pp2"): Instance(name="pp2", ingress="p3", egress="p3", aware="nsh", weight=3),
        ("group", "ppg1"): Group(name="ppg1", instances=("PP1",)),
        ("group", "ppg2"): Group(name="ppg2", instances=("pp2",), hash=("ip_src",)),
        ("classifier", "FC1"): Classifier(
            name="FC1",
            description="all of a server's answers",
            source_port="p1",
            ethertype="ipv4",
            protocol="tcp",
            source_prefix="22.1.20.1/32",
            destination_prefix="172.4.5.6/32",
            source_ports=(23, 23),
            destination_ports=(100, 65535),
        ),
        ("chain", "PC1"): Chain(
            name="PC1", classifiers=("FC1",), groups=("ppg1", "ppg2"), symmetric=True, encapsulation="mpls"
        ),
    }


def test_what_is_not_said_means_what_networking_sfc_means_by_it():
    objects = read(f"""{HEAD}
resources:
  f: {{type: "OS::Neutron::FlowClassifier", properties: {{logical_source_port: p, ethertype: }}}}
  c: {{type: "OS::Neutron::PortChain", properties: {{port_pair_groups: [g], flow_classifiers: [f]}}}}
  d:
    type: OS::Neutron::PortChain
    properties: {{port_pair_groups: [g], flow_classifiers: [f], chain_parameters: {{symmetric: true}}}}
  g: {{type: "OS::Neutron::PortPairGroup", properties: {{port_pairs: [i], tap_enabled: true}}}}
""")
    assert objects == {
        ("classifier", "f"): Classifier(name="f", source_port="p", ethertype="ipv4"),
        ("chain", "c"): Chain(name="c", classifiers=("f",), groups=("g",), encapsulation="mpls"),
        ("chain", "d"): Chain(name="d", classifiers=("f",), groups=("g",), encapsulation="mpls", symmetric=True),
        ("group", "g"): Group(name="g", instances=("i",), tap=True),
    }


def test_networks_routers_and_ports():
    objects = read(f"""{HEAD}
resources:
  door: {{type: "OS::Neutron::RouterInterface", properties: {{router: {{get_resource: r}}, subnet: s}}}}
  r: {{type: "OS::Neutron::Router", properties: {{distributed: true, admin_state_up: True}}}}
  n: {{type: "OS::Neutron::Net", properties: {{name: web, port_security_enabled: no, shared: false, tags: [a]}}}}
  s:
    type: OS::Neutron::Subnet
    properties: {{network_id: {{get_resource: n}}, cidr: 10.0.0.0/24, ip_version: 4, enable_dhcp: true}}
  s6:
    type: OS::Neutron::Subnet
    properties: {{network: {{get_resource: n}}, cidr: "2001:db8::/64", ip_version: 6, gateway_ip: ""}}
  p:
    type: OS::Neutron::Port
    properties:
      network: {{get_resource: n}}
      binding:host_id: n1
      binding:vnic_type: normal
      device_owner: compute:nova
      security_groups: []
      mac_address: 02:00:00:00:00:0a
      fixed_ips: [{{ip_address: 10.0.0.5}}, {{subnet: {{get_resource: s6}}}}]
      allowed_address_pairs: [{{ip_address: 10.0.0.128/25}}, {{ip_address: 10.0.0.9, mac_address: "02:00:00:00:00:09"}}]
  q: {{type: "OS::Neutron::Port", properties: {{network: web, port_security_enabled: true}}}}
""")
    assert objects == {
        ("network", "web"): Network(name="web"),
        ("subnet", "s"): Subnet(name="s", network="web", cidr="10.0.0.0/24", gateway="10.0.0.1"),
        ("subnet", "s6"): Subnet(name="s6", network="web", cidr="2001:db8::/64"),
        ("router", "r"): Router(name="r", subnets=("s",)),
        ("port", "p"): Port(
            name="p",
            network="web",
            node="n1",
            mac="02:00:00:00:00:0a",
            addresses=("10.0.0.5", "2001:db8::1"),
            security=False,
            allowed=(AddressPair("10.0.0.128/25"), AddressPair("10.0.0.9", "02:00:00:00:00:09")),
        ),
        ("port", "q"): Port(name="q", network="web", addresses=("10.0.0.2",)),
    }


def test_addresses_are_the_lowest_that_are_free_in_the_order_of_the_template():
    text = f"""{HEAD}
resources:
  b: {{type: "OS::Neutron::Port", properties: {{network: n}}}}
  a: {{type: "OS::Neutron::Port", properties: {{network: n, fixed_ips: [{{subnet: other}}]}}}}
  said: {{type: "OS::Neutron::Port", properties: {{network: n, fixed_ips: [{{ip_address: 10.0.0.2}}]}}}}
  c: {{type: "OS::Neutron::Port", properties: {{network: n}}}}
  d: {{type: "OS::Neutron::Port", properties: {{network: n, fixed_ips: []}}}}
  n: {{type: "OS::Neutron::Net"}}
  s:
    type: OS::Neutron::Subnet
    properties:
      network: n
      cidr: 10.0.0.0/24
      gateway_ip: 10.0.0.4
      allocation_pools: [{{start: 10.0.0.9, end: 10.0.0.10}}, {{start: 10.0.0.2, end: 10.0.0.4}}]
  other: {{type: "OS::Neutron::Subnet", properties: {{network: n, cidr: "2001:db8::/64", gateway_ip: }}}}
"""
    objects = read(text)
    found = {name: thing.addresses for (kind, name), thing in objects.items() if kind == "port"}
    assert found == {
        "b": ("10.0.0.3",),
        "a": ("2001:db8::1",),
        "said": ("10.0.0.2",),
        "c": ("10.0.0.9",),
        "d": ("10.0.0.10",),
    }
    assert read(text) == objects


def test_attributes_of_other_resources():
    found = port("""
resources:
  p:
    type: OS::Neutron::Port
    properties:
      network: {get_attr: [vip, network_id]}
      no_fixed_ips: true
      mac_address: {get_attr: [vip, mac_address]}
      description: {list_join: [' ', [{get_attr: [s, gateway_ip]}, {get_attr: [s, cidr]}, {get_attr: [vip, name]}]]}
      allowed_address_pairs: [{ip_address: {get_attr: [vip, fixed_ips, 0, ip_address]}}]
  vip: {type: "OS::Neutron::Port", properties: {name: VIP, network: n, mac_address: "02:00:00:00:00:01"}}
  n: {type: "OS::Neutron::Net"}
  s: {type: "OS::Neutron::Subnet", properties: {network: n, cidr: 10.0.0.0/24}}
""")
    assert found == Port(
        name="p",
        network="n",
        mac="02:00:00:00:00:01",
        allowed=(AddressPair("10.0.0.2"),),
        description="10.0.0.1 10.0.0.0/24 VIP",
    )


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("{get_param: text}", "abc"),
        ("{get_param: [map, list, 1]}", "second"),
        ("{get_param: [map, list, -1]}", "second"),
        ("{get_param: [list, 0]}", "x"),
        ("{list_join: ['-', [a, 1, true], {get_param: list}]}", "a-1-true-x-y"),
        ("{list_join: [',', {list_concat: [[a], {get_param: list}]}]}", "a,x,y"),
        ("{list_join: [',', {list_concat_unique: [[a, b], [b, a, c]]}]}", "a,b,c"),
        (
            "{list_join: [',', {repeat: {template: '%i.%j', for_each: {'%i': [1, 2], '%j': [a, b]}}}]}",
            "1.a,1.b,2.a,2.b",
        ),
        (
            "{list_join: [',', {repeat: {template: ij, for_each: {i: [1, 2], j: [a, b]}, permutations: false}}]}",
            "1a,2b",
        ),
        ("{str_replace: {template: $ab $a x, params: {$a: 1, $ab: '$a'}}}", "$a 1 x"),
        ("{str_replace: {template: n=%l%, params: {'%l%': {get_param: list}}}}", 'n=["x", "y"]'),
        ("{str_replace: {template: n=%m%, params: {'%m%': {b: d, a: [c]}}}}", 'n={"a": ["c"], "b": "d"}'),
        ("{str_replace: {template: abcd, params: {ab: x, bcd: y}}}", "ay"),
        ("{str_replace: {template: abba, params: {a: b, b: '', ba: ''}}}", "b"),
        ("{str_replace_vstrict: {template: a-b, params: {a: 0, b: {get_param: off}}}}", "0-False"),
        ("{str_split: ['.', 10.0.0.1, 3]}", "1"),
        ("{if: [small, few, many]}", "few"),
        ("{if: [{not: small}, few, many]}", "many"),
        ("{if: [{and: [small, {or: [nothing, {equals: [1, 1]}]}]}, few, many]}", "few"),
        ("{if: [{contains: [x, {get_param: list}]}, few, many]}", "few"),
        ("{str_replace: {template: n, params: {get_param: [map, words]}}}", "new"),
        ("{get_param: OS::stack_name}", "mine"),
    ],
)
def test_functions(value, meant):
    text = f"""{HEAD}
parameters:
  text: {{type: string, default: abc}}
  number: {{type: number, default: 5}}
  off: {{type: boolean, default: "off"}}
  list: {{type: comma_delimited_list, default: 'x, y'}}
  map: {{type: json, default: {{list: [first, second], words: {{n: new}}}}}}
conditions:
  small: {{equals: [{{get_param: number}}, 5]}}
  nothing: false
resources:
  n: {{type: "OS::Neutron::Net", properties: {{description: {value}}}}}
"""
    assert read(text, **{"OS::stack_name": "mine"})["network", "n"].description == meant


def test_resources_with_a_false_condition_are_not_there():
    text = f"""{HEAD}
parameters: {{big: {{type: boolean, default: off}}}}
conditions: {{big: {{get_param: big}}}}
resources:
  n: {{type: "OS::Neutron::Net"}}
  m: {{type: "OS::Neutron::Net", condition: big, properties: {{nonsense: {{yaql: }}}}}}
  o: {{type: "OS::Nova::Server", condition: big}}
  p: {{type: "OS::Neutron::Net", condition: {{not: big}}, depends_on: m}}
"""
    assert read(text).keys() == {("network", "n"), ("network", "p")}


@pytest.mark.parametrize(
    ("schema", "given", "meant"),
    [
        ("{type: string}", "007", "007"),
        ("{type: string, constraints: [{length: {max: 3}}, {allowed_pattern: '[0-9]*'}]}", "007", "007"),
        ("{type: number, constraints: [{range: {min: 1, max: 10}}, {modulo: {step: 2, offset: 1}}]}", "7", "7"),
        ("{type: number}", "1.5", "1.5"),
        ("{type: number, constraints: [{allowed_values: [5, 7]}]}", "7", "7"),
        ("{type: boolean}", "YES", "True"),
        ("{type: comma_delimited_list, constraints: [{allowed_values: [a, b, c]}]}", "a, b", '["a", "b"]'),
        ("{type: comma_delimited_list}", "", "[]"),
        ("{type: json, hidden: true}", '{"a": [1, null]}', '{"a": [1, null]}'),
        ("{type: string, constraints: [{custom_constraint: neutron.network}]}", "x", "x"),
    ],
)
def test_parameters(schema, given, meant):
    value = "{str_replace: {template: V, params: {V: {get_param: v}}}}"
    assert prefix(value, f"v: {schema}", v=given) == meant


def test_parameters_come_from_the_command_line_then_files_then_defaults():
    schema = "v: {type: string, default: four}"
    value = "{get_param: v}"
    plain, environment = ("one.yaml", "v: two"), ("env.yaml", "parameters: {v: three}\nparameter_defaults: {w: 1}")
    defaults = ("def.yaml", "parameter_defaults: {v: 3.5, w: 9}\nresource_registry: {}")
    assert prefix(value, schema, [environment, plain, defaults], v="one") == "one"
    assert prefix(value, schema, [environment, plain, defaults]) == "two"
    assert prefix(value, schema, [plain, environment, defaults]) == "three"
    assert prefix(value, schema, [defaults]) == "3.5"
    assert prefix(value, schema) == "four"


def test_json_is_a_template_too():
    text = '{"heat_template_version": "rocky", "resources": {"n": {"type": "OS::Neutron::Net"}}}'
    assert read(text) == {("network", "n"): Network(name="n")}


def test_lines_lead_to_properties():
    document = intent.parse(CHAINING, "t.yaml", given=read_given({"private_net": "x"}, ()))
    lines = CHAINING.splitlines()
    for key, start in {
        ("chain", "PC1"): "  chain:",
        ("chain", "PC1", "groups"): "      port_pair_groups: [{get_resource: ppg1}",
        ("classifier", "FC1", "source_ports"): "      source_port_range_min",
        ("instance", "pp2", "weight"): "      service_function_parameters",
    }.items():
        assert lines[document.lines[key] - 1].startswith(start), key


def test_the_example_can_be(tmp_path):
    nodes = intent.parse("nodes: [n1, n2, n3]", "nodes.yaml").objects
    objects = intent.parse(EXAMPLE.read_bytes(), "heat.yaml").objects
    store = SqliteStore(tmp_path)
    try:
        outcome = Conductor(store, 0.0).apply({**nodes, **objects}, dry_run=True)
    finally:
        store.close()
    assert outcome.after.keys() == nodes.keys() | objects.keys()
    assert objects["classifier", "requests"].destination_prefix == "10.20.0.3/32"
    assert objects["chain", "screened"].symmetric


def test_what_a_template_gives_can_be_written_as_an_intent():
    objects = intent.parse(EXAMPLE.read_bytes(), "heat.yaml").objects
    assert intent.parse(intent.dump(objects), "t").objects == objects


PATTERNS = [
    "a*",
    "(a|b)*c",
    "[a-c]+x?",
    "(ab){2,3}",
    "^a.c$",
    r"\d{1,3}\.\d+",
    "a|",
    "(?:a+)+b",
    "[^a]b",
    "a{,2}",
    "x*?",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_mean_what_they_mean_to_python(pattern):
    import re

    texts = [
        "",
        "a",
        "aa",
        "aaa",
        "abc",
        "ababab",
        "abab",
        "bbc",
        "c",
        "cx",
        "a.c",
        "12.3",
        "1234.5",
        "aab",
        "xb",
        "ab",
    ]
    for text in texts:
        assert matches(pattern, text, lambda n: None) == bool(re.fullmatch(pattern, text)), text


def test_a_pattern_that_would_try_for_years_does_not():
    steps = 0

    def spend(amount):
        nonlocal steps
        steps += amount

    assert not matches("(a+)+(a*)*b", "a" * 500, spend)
    assert steps < 20_000


@pytest.mark.parametrize(
    "pattern", ["(", ")", "[a", "*a", "a**", r"(a)\1", "(?=a)", "a{3,2}", "(" * 30, "((a{99}){99}){99}"]
)
def test_what_is_no_pattern_is_refused(pattern):
    with pytest.raises(Bad):
        matches(pattern, "a", lambda n: None)


GRAPH = """\
resources:
  graph:
    type: OS::Neutron::ServiceGraph
    properties:
      name: fork
      description: what is suspicious is looked at twice
      port_chains: {first: [{get_resource: second}, third], PC2: [fourth]}
  second:
    type: OS::Neutron::PortChain
    properties: {name: PC2, port_pair_groups: [g], flow_classifiers: [f]}
"""


def test_a_service_graph():
    branches = (Branch("first", ("PC2", "third")), Branch("PC2", ("fourth",)))
    description = "what is suspicious is looked at twice"
    found = read(HEAD + GRAPH)["graph", "fork"]
    assert found == Graph(name="fork", description=description, branches=branches, exclusive=True)


def test_a_port_keeps_its_device():
    made = port(
        """\
parameters: {vm: {type: string}}
resources:
  p:
    type: OS::Neutron::Port
    properties: {network: n, no_fixed_ips: true, device_id: {get_param: vm}, device_owner: "compute:nova"}
""",
        vm="9d2a",
    )
    assert made.device == "9d2a"
