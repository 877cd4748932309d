"""Short forms mean what their long forms say."""

import pytest

from segue import intent
from segue.model.intent import (
    AddressPair,
    Branch,
    Chain,
    Classifier,
    Graph,
    Group,
    Instance,
    Network,
    Node,
    Permissions,
    Port,
    Route,
    Router,
    Service,
    Subnet,
)


def read(text: str):
    return intent.parse(text, "t.yaml")


def one(text: str, kind: str, name: str):
    return read(text).objects[kind, name]


def test_node_by_address_alone():
    assert one("nodes: {n1: 192.0.2.9}", "node", "n1") == Node(name="n1", address="192.0.2.9")


def test_node_list_gets_addresses_by_position():
    objects = read("nodes: [a, b, '3']").objects
    assert [(o.name, o.address) for o in objects.values()] == [
        ("a", "192.0.2.1"),
        ("b", "192.0.2.2"),
        ("3", "192.0.2.3"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        "[10.0.0.0/24, 2001:db8::/64]",
        "{subnets: [10.0.0.0/24, 2001:db8::/64]}",
        "{subnets: [{cidr: 10.0.0.0/24}, 2001:db8::/64]}",
    ],
)
def test_network_makes_its_subnets(body):
    assert read(f"networks: {{web: {body}}}").objects == {
        ("network", "web"): Network(name="web"),
        ("subnet", "web"): Subnet(name="web", owner="network/web", network="web", cidr="10.0.0.0/24"),
        ("subnet", "web-2"): Subnet(name="web-2", owner="network/web", network="web", cidr="2001:db8::/64"),
    }


@pytest.mark.parametrize(
    "body",
    [
        "{cidr: 10.0.0.0/24, gateway: 10.0.0.1}",
        "{subnets: [{cidr: 10.0.0.0/24, gateway: 10.0.0.1}]}",
        "{subnets: [10.0.0.0/24], gateway: 10.0.0.1}",
        "[{cidr: 10.0.0.0/24, gateway: 10.0.0.1}]",
    ],
)
def test_network_with_gateway(body):
    subnet = one(f"networks: {{web: {body}}}", "subnet", "web")
    assert subnet == Subnet(name="web", owner="network/web", network="web", cidr="10.0.0.0/24", gateway="10.0.0.1")


def test_a_network_s_gateway_goes_to_the_subnet_that_contains_it():
    objects = read("networks: {w: {subnets: [10.0.0.0/24, '2001:db8::/64'], gateway: '2001:db8::1'}}").objects
    assert objects["subnet", "w"].gateway is None
    assert objects["subnet", "w-2"].gateway == "2001:db8::1"


def test_bare_network():
    assert read("networks:\n  web:\n").objects == {("network", "web"): Network(name="web")}


def test_router():
    short = one("routers: {r: [web, db]}", "router", "r")
    assert short == Router(name="r", subnets=("web", "db"))
    long = one("routers: {r: {subnets: [web], routes: [{destination: 0.0.0.0/0, via: 10.0.0.9}]}}", "router", "r")
    assert long == Router(name="r", subnets=("web",), routes=(Route("0.0.0.0/0", "10.0.0.9"),))


def test_port():
    port = one(
        "ports: {p: {network: web, node: n1, address: 10.0.0.10, mac: 52:54:00:12:34:56, security: false,"
        " allowed: [10.0.0.0/25, {ip: 10.0.0.200, mac: 02:00:00:00:00:01}]}}",
        "port",
        "p",
    )
    assert port == Port(
        name="p",
        network="web",
        node="n1",
        addresses=("10.0.0.10",),
        mac="52:54:00:12:34:56",
        security=False,
        allowed=(AddressPair("10.0.0.0/25"), AddressPair("10.0.0.200", "02:00:00:00:00:01")),
    )
    assert one("ports:\n  p:\n", "port", "p") == Port(name="p")


def test_instance_on_one_port():
    assert one("instances: {i: {port: p}}", "instance", "i") == Instance(name="i", ingress="p", egress="p")


@pytest.mark.parametrize("body", ["n2", "{node: n2}", "{node: n2, arms: 2}"])
def test_instance_on_a_node_gets_ports(body):
    assert read(f"instances: {{upper: {body}}}").objects == {
        ("port", "upper-in"): Port(name="upper-in", owner="instance/upper", node="n2"),
        ("port", "upper-out"): Port(name="upper-out", owner="instance/upper", node="n2"),
        ("instance", "upper"): Instance(name="upper", ingress="upper-in", egress="upper-out"),
    }


def test_instance_with_one_arm():
    assert read("instances: {i: {node: n2, arms: 1, aware: nsh, weight: 3}}").objects == {
        ("port", "i"): Port(name="i", owner="instance/i", node="n2"),
        ("instance", "i"): Instance(name="i", ingress="i", egress="i", aware="nsh", weight=3),
    }


def test_group():
    assert one("groups: {g: [a, b]}", "group", "g") == Group(name="g", instances=("a", "b"))


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ("{instances: [a], tap: true}", {"instances": ("a",), "tap": True}),
        ("{instances: [a], tap: false, hash: []}", {"instances": ("a",)}),
        ("{instances: [a, b], hash: [ip_dst, ip_src]}", {"instances": ("a", "b"), "hash": ("ip_dst", "ip_src")}),
    ],
)
def test_group_that_says_how(body, fields):
    assert one(f"groups: {{g: {body}}}", "group", "g") == Group(name="g", **fields)
    made = read(f"chains: {{c: {{match: web, through: [fw, {body}]}}}}").objects
    assert made["group", "c-step2"] == Group(name="c-step2", owner="chain/c", **fields)
    assert made["chain", "c"].groups == ("fw", "c-step2")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ("{from: client}", {"source_port": "client"}),
        ("{from: 10.0.0.0/24, to: 10.1.0.0/16}", {"source_prefix": "10.0.0.0/24", "destination_prefix": "10.1.0.0/16"}),
        ("{to: 2001:db8::1}", {"destination_prefix": "2001:db8::1"}),
        ("{from: client, source_prefix: 10.0.0.7}", {"source_port": "client", "source_prefix": "10.0.0.7"}),
        ("{protocol: tcp, destination_ports: 80}", {"protocol": "tcp", "destination_ports": (80, 80)}),
        ("{protocol: tcp, destination_ports: 80-90}", {"protocol": "tcp", "destination_ports": (80, 90)}),
        ("{protocol: 17, source_ports: [0, 65535]}", {"protocol": "17", "source_ports": (0, 65535)}),
        ("{protocol: icmp, ethertype: ipv6}", {"protocol": "icmp", "ethertype": "ipv6"}),
        ("{ethertype: 0x88b5}", {"ethertype": "0x88b5"}),
        ("{ethertype: 34997}", {"ethertype": "0x88b5"}),
        ("{}", {}),
        ("", {}),
    ],
)
def test_classifier(body, fields):
    assert one(f"classifiers: {{c: {body}}}", "classifier", "c") == Classifier(name="c", **fields)


def test_chain_with_everything_inline():
    objects = read("chains: {loud: {match: [{from: a}, web, {to: b}], through: [fw, [x, y]], symmetric: true}}").objects
    assert objects == {
        ("group", "loud-step2"): Group(name="loud-step2", owner="chain/loud", instances=("x", "y")),
        ("classifier", "loud-1"): Classifier(name="loud-1", owner="chain/loud", source_port="a"),
        ("classifier", "loud-3"): Classifier(name="loud-3", owner="chain/loud", destination_port="b"),
        ("chain", "loud"): Chain(
            name="loud",
            classifiers=("loud-1", "web", "loud-3"),
            groups=("fw", "loud-step2"),
            symmetric=True,
        ),
    }


@pytest.mark.parametrize("match", ["match: web", "match: [web]", "classifiers: [web]"])
def test_chain_by_names(match):
    chain = one(f"chains: {{c: {{{match}, groups: [fw], encapsulation: mpls, precedence: 7}}}}", "chain", "c")
    assert chain == Chain(name="c", classifiers=("web",), groups=("fw",), encapsulation="mpls", precedence=7)


def test_lab():
    lab = read("""
lab:
  name: try
  hosts:
    a: {run: sleep 1}
    b: {ports: [p, q], run: [one -x, two], forward: true, env: {N: 1, EMPTY: , ON: on}}
    c:
""").lab
    assert lab == intent.LabSection(
        name="try",
        hosts={
            "a": intent.HostSection(name="a", run=("sleep 1",)),
            "b": intent.HostSection(
                name="b",
                ports=("p", "q"),
                run=("one -x", "two"),
                forward=True,
                env={"N": "1", "EMPTY": "", "ON": "on"},
            ),
            "c": intent.HostSection(name="c"),
        },
    )


@pytest.mark.parametrize("text", ["", "\n", "---\n", "# nothing\n", "{}", "segue: 1", "---\n---\n", "ports:\n", "null"])
def test_nothing_declared(text):
    document = read(text)
    assert document.objects == {} and document.lab is None


def test_documents_of_one_text_are_merged():
    objects = read("nodes: {n1: 192.0.2.1}\n---\nnodes: {n2: 192.0.2.2}\nports: {p: {node: n1}}\n").objects
    assert set(objects) == {("node", "n1"), ("node", "n2"), ("port", "p")}


def test_words_of_yaml_stay_words():
    """YAML 1.1 takes these for truth values, numbers and times."""
    names = ["no", "on", "y", "1e3", "0x1f", "017", "1_000", "12345", "true", "2024-01-01", "1.5"]
    text = "ports:\n" + "".join(f"  {name}: {{node: {name}}}\n" for name in names)
    assert [(o.name, o.node) for o in read(text).objects.values()] == [(name, name) for name in names]


def test_yaml_null_is_nothing_and_quoted_null_is_a_name():
    assert one("ports: {p: {node: null}}", "port", "p").node is None
    assert one("ports: {p: {node: ~}}", "port", "p").node is None
    assert one("ports: {p: {node: 'null'}}", "port", "p").node == "null"


def test_json_and_yaml_and_bytes_are_the_same():
    yaml = "ports:\n  p: {node: n1, security: false}\n"
    json = '{"ports": {"p": {"node": "n1", "security": false}}}'
    almost_json = '{"ports": {"p": {"node": "n1", "security": false,},}}'
    assert (
        read(yaml).objects
        == read(json).objects
        == read(almost_json).objects
        == intent.parse(("\ufeff" + yaml).encode(), "t").objects
        == intent.parse(("\ufeff" + json).encode(), "t").objects
    )


def test_lines_of_objects_and_fields():
    text = """
networks:
  web:
    subnets:
      - 10.0.0.0/24
      - cidr: 10.0.1.0/24
        gateway: 10.0.1.1
chains:
  loud:
    match:
      from: client
    through: [a]
---
ports:
  p:
    network: web
    address: 10.0.0.1
"""
    lines = read(text).lines
    assert lines["network", "web"] == 3
    assert lines["subnet", "web"] == 5
    assert lines["subnet", "web-2"] == 6
    assert lines["subnet", "web-2", "gateway"] == 7
    assert lines["chain", "loud"] == 9
    assert lines["chain", "loud", "classifiers"] == 10
    assert lines["classifier", "loud-1", "source_port"] == 11
    assert lines["chain", "loud", "groups"] == 12
    assert lines["chain", "loud", "precedence"] == 9
    assert lines["port", "p"] == 15
    assert lines["port", "p", "addresses"] == 17
    assert set(lines) == set(read(text).objects)
    with pytest.raises(KeyError):
        lines["port", "q"]


def test_lines_in_json():
    text = '{\n "ports": {\n  "p\\u0031": {\n   "node": "n1",\n   "mac":\n    null}}}'
    lines = intent.parse(text, "t").lines
    assert (lines["port", "p1"], lines["port", "p1", "node"], lines["port", "p1", "mac"]) == (3, 4, 5)


def test_graphs_in_both_forms():
    short = one("graphs: {g: {branch: {a: [b, c], b: [c]}}}", "graph", "g")
    assert short == Graph(name="g", branches=(Branch("a", ("b", "c")), Branch("b", ("c",))))
    assert one("graphs: {g: {branches: [{chain: a, into: [b, c]}, {chain: b, into: [c]}]}}", "graph", "g") == short
    assert one("graphs: {g: }", "graph", "g") == Graph(name="g")
    assert [found[2] for found in intent.references(short)] == ["a", "b", "c", "b", "c"]


def test_services():
    assert one("services: {s: {hook: egress}}", "service", "s") == Service(name="s", hook="egress")
    text = (
        "{hook: pre-routing, attach: [network/n, router/r, port/p], order: 5, flows: 7, packet_ins: 0, permissions: %s}"
    )
    service = one(f"services: {{s: {text % '{drop: true, rewrite: [vlan, ipv4_dst]}'}}}", "service", "s")
    assert service == Service(
        name="s",
        hook="pre-routing",
        attach=("network/n", "router/r", "port/p"),
        order=5,
        permissions=Permissions(drop=True, rewrite=("vlan", "ipv4_dst")),
        flows=7,
        packet_ins=0,
    )
    assert list(intent.references(service)) == [
        ("attach", ("network",), "n"),
        ("attach", ("router",), "r"),
        ("attach", ("port",), "p"),
    ]
    assert (
        intent.dump([service])
        == """services:
  s:
    hook: pre-routing
    attach: [network/n, router/r, port/p]
    order: 5
    permissions: {drop: true, rewrite: [vlan, ipv4_dst]}
    flows: 7
    packet_ins: 0
"""
    )
    before = Service(name="s", hook="pre-routing")
    shown = str(intent.diff({("service", "s"): before}, {("service", "s"): service}))
    assert "permissions: {} -> {drop: true, rewrite: [vlan, ipv4_dst]}" in shown


def test_references():
    objects = read("""
networks: {web: {cidr: 10.0.0.0/24, gateway: 10.0.0.1}}
routers: {r: [web]}
ports: {p: {network: web, node: n1}, q: }
instances: {i: {ingress: p, egress: q}}
groups: {g: [i]}
classifiers: {c: {from: p, to: q, network: web}}
chains: {ch: {match: c, through: [g, i]}}
""").objects
    found = {ref: list(intent.references(thing)) for ref, thing in objects.items()}
    assert found == {
        ("network", "web"): [],
        ("subnet", "web"): [("network", ("network",), "web")],
        ("router", "r"): [("subnets", ("subnet",), "web")],
        ("port", "p"): [("network", ("network",), "web"), ("node", ("node",), "n1")],
        ("port", "q"): [],
        ("instance", "i"): [("ingress", ("port",), "p"), ("egress", ("port",), "q")],
        ("group", "g"): [("instances", ("instance",), "i")],
        ("classifier", "c"): [
            ("source_port", ("port",), "p"),
            ("destination_port", ("port",), "q"),
            ("network", ("network",), "web"),
        ],
        ("chain", "ch"): [
            ("classifiers", ("classifier",), "c"),
            ("groups", ("group", "instance"), "g"),
            ("groups", ("group", "instance"), "i"),
        ],
    }


INSIDE = """
networks: {web: {subnets: [10.0.0.0/24, 10.1.0.0/24], project: shop}, bare: 10.2.0.0/24}
instances: {fw: {node: n1, project: shop}, ids: n1}
chains:
  loud:
    match: [{network: web, protocol: tcp}, {network: web, protocol: udp, project: other}]
    through: [[fw], {instances: [ids]}]
    project: shop
"""


def test_what_is_declared_inside_has_the_project_of_what_it_is_inside():
    objects = read(INSIDE).objects
    projects = {ref: value.project for ref, value in objects.items()}
    others = {("network", "bare"), ("subnet", "bare"), ("instance", "ids"), ("port", "ids-in"), ("port", "ids-out")}
    assert {ref for ref, project in projects.items() if not project} == others
    assert {ref for ref, project in projects.items() if project == "other"} == {("classifier", "loud-2")}
    assert len(projects) == 16
    assert intent.parse(intent.dump(objects), "t").objects == objects


def test_a_project_that_is_none_is_told_once():
    with pytest.raises(intent.IntentError) as caught:
        read("networks: {web: {cidr: 10.0.0.0/24, project: [a]}}")
    assert len(caught.value.problems) == 1
