"""Groups that say how their functions rewrite headers: by that answers are known, and packets behind functions that
route. What holds for all intents is tested in test_meaning.py; these are the plain cases, and what is refused.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import many
from worlds import World, delivered, visited

from segue import intent
from segue.packet.addresses import parse_ip
from segue.server.conductor import Refused
from segue.verify.explain import explain
from segue.verify.meaning import Meaning
from segue.verify.packet import Packet

BASE = """
nodes: [n1, n2, n3]
networks: {web: 10.0.0.0/24}
ports:
  client: {network: web, node: n1, address: 10.0.0.10, mac: "02:00:00:00:00:10"}
  mate: {network: web, node: n1, address: 10.0.0.11, mac: "02:00:00:00:00:11"}
  server: {network: web, node: n3, address: 10.0.0.20, mac: "02:00:00:00:00:20"}
  outside: {network: web, node: n2, address: 10.0.0.99, mac: "02:00:00:00:00:99"}
  r-in: {network: web, node: n2, address: 10.0.0.51}
  r-out: {network: web, node: n2, address: 10.0.0.52}
  r-one: {network: web, node: n2, address: 10.0.0.53}
instances:
  nat: n2
  nat2: n1
  x: n3
  dpi: {node: n1, aware: nsh}
  router: {ingress: r-in, egress: r-out, mode: route}
  lone: {port: r-one, mode: route}
"""
CLIENT, MATE, SERVER, OUTSIDE = 0x0A00000A, 0x0A00000B, 0x0A000014, 0x0A000063
MACS = {CLIENT: 0x020000000010, MATE: 0x020000000011, SERVER: 0x020000000020, OUTSIDE: 0x020000000099}
PORTS = {CLIENT: "client", MATE: "mate", SERVER: "server"}
SNAT = "{ingress: {source_prefix: 10.0.0.10}, egress: {source_prefix: 10.0.0.99}}"
WEB = "{from: client, to: server, protocol: tcp, destination_ports: 80}"


def world(more: str) -> World:
    made = World()
    made.become(intent.parse(BASE + more, "t.yaml").objects)
    made.settle()
    return made


def tcp(source: int, source_port: int, target: int, target_port: int) -> Packet:
    ends = {"ipv4_src": source, "ipv4_dst": target, "tcp_src": source_port, "tcp_dst": target_port}
    link = {"eth_src": MACS[source], "eth_dst": MACS[target], "eth_type": 0x0800, "ip_proto": 6, "nw_ttl": 64}
    return Packet.of(link | ends, payload=b"payload")


Seen = tuple[int, int, int, int]
"""Source and its port, destination and its port."""


def passes(made: World, *sent: int) -> tuple[list[str], str, Seen]:
    """A packet: the instances that it meets, who gets it, and how it looks then."""
    source, source_port, target, target_port = sent
    journey = made.send(PORTS[source], tcp(source, source_port, target, target_port))
    (arrived,) = delivered(journey)
    fields = arrived.packet.fields
    assert fields["eth_dst"] == MACS[fields["ipv4_dst"]], explain(journey)
    met = [name for name, _ in visited(journey, made)]
    return met, arrived.port, (fields["ipv4_src"], fields["tcp_src"], fields["ipv4_dst"], fields["tcp_dst"])


def refused(more: str) -> str:
    with pytest.raises(Refused) as found:
        world(more)
    return str(found.value)


def chains(**said: str) -> str:
    return "chains:\n" + "".join(f"  {name}: {body}\n" for name, body in said.items())


@pytest.mark.parametrize("steps", ["nats, x, dpi", "x, nats, dpi", "dpi, x, nats"])
def test_the_source_becomes_another(steps: str) -> None:
    made = world(
        f"groups: {{nats: {{instances: [nat], maps: {SNAT}}}}}\n"
        + chains(c=f"{{match: {WEB}, through: [{steps}], symmetric: true}}")
    )
    met = steps.replace("nats", "nat").split(", ")
    assert passes(made, CLIENT, 4000, SERVER, 80) == (met, "server", (OUTSIDE, 4000, SERVER, 80))
    assert passes(made, SERVER, 80, OUTSIDE, 4000) == (met[::-1], "client", (SERVER, 80, CLIENT, 4000))
    # What no packet of the chain is answered with is none of its answers.
    assert passes(made, SERVER, 80, CLIENT, 4000)[0] == []
    assert passes(made, SERVER, 81, MATE, 4000)[0] == []


@pytest.mark.parametrize("route", [False, True])
def test_steps_compose(route: bool) -> None:
    """First the destination and its port, then the source, then the port again."""
    first = "{destination_prefix: 10.0.0.99, destination_ports: 80}"
    second = "{destination_prefix: 10.0.0.20, destination_ports: 8080}"
    made = world(
        f"""
groups:
  one: {{instances: [nat], maps: {{ingress: {first}, egress: {second}}}}}
  two: {{instances: [{"router" if route else "nat2"}], maps: {SNAT}}}
  three: {{instances: [dpi], maps: {{ingress: {{destination_ports: 8080}}, egress: {{destination_ports: 9090}}}}}}
"""
        + chains(
            c="{match: {from: client, to: 10.0.0.99, protocol: tcp, destination_ports: 80}, "
            "through: [one, x, two, three], symmetric: true}"
        )
    )
    met = ["nat", "x", "router" if route else "nat2", "dpi"]
    assert passes(made, CLIENT, 4000, OUTSIDE, 80) == (met, "server", (OUTSIDE, 4000, SERVER, 9090))
    assert passes(made, SERVER, 9090, OUTSIDE, 4000) == (met[::-1], "client", (OUTSIDE, 80, CLIENT, 4000))


def test_a_port_that_packets_come_out_to() -> None:
    """As networking-sfc has it: the prefix says where packets are sent to, and the port where they go behind the chain.
    Its answers alone are taken."""
    classifier = "{source_port: client, destination_port: server, destination_prefix: 10.0.0.99, protocol: tcp}"
    made = world(
        "groups: {g: {instances: [nat], maps: {ingress: {destination_prefix: 10.0.0.99}, "
        "egress: {destination_prefix: 10.0.0.20}}}}\n"
        + chains(c=f"{{match: {classifier}, through: [x, g], symmetric: true}}")
    )
    assert passes(made, CLIENT, 4000, OUTSIDE, 80) == (["x", "nat"], "server", (CLIENT, 4000, SERVER, 80))
    assert passes(made, SERVER, 80, CLIENT, 4000) == (["nat", "x"], "client", (OUTSIDE, 80, CLIENT, 4000))
    reverse = [path.spec for path in made.conductor.rollouts.paths.values() if path.spec.direction == "reverse"]
    (entry,) = [entry for spec in reverse for entry in spec.entries]
    assert entry.source_port == made.conductor.declared.ids["port", "server"]


def test_a_mapping_is_about_its_family_alone() -> None:
    made = world(
        f"groups: {{nats: {{instances: [nat], maps: {SNAT}}}}}\n"
        "subnets: {six: {network: web, cidr: 'fd00::/64'}}\n"
        + chains(c="{match: {from: client, protocol: tcp}, through: [nats], symmetric: true}")
    )
    reverse = [path.spec for path in made.conductor.rollouts.paths.values() if path.spec.direction == "reverse"]
    asked = {entry.headers.ethertype: entry.headers.destination for spec in reverse for entry in spec.entries}
    assert (asked[0x0800].value, asked[0x0800].is_host) == (OUTSIDE, True)  # type: ignore[union-attr]
    assert 0x86DD not in asked  # the client has no address of that family


def test_answers_that_are_another_chains_are_refused() -> None:
    said = refused(
        f"groups: {{nats: {{instances: [nat], maps: {SNAT}}}}}\n"
        + chains(
            c=f"{{match: {WEB}, through: [nats], symmetric: true}}",
            d="{match: {from: server, to: 10.0.0.96/28}, through: [x]}",
        )
    )
    assert "match the same packets, both at precedence 100; give one chain a higher precedence" in said
    # They are not those of packets that are not mapped.
    world(
        f"groups: {{nats: {{instances: [nat], maps: {SNAT}}}}}\n"
        + chains(
            c=f"{{match: {WEB}, through: [nats], symmetric: true}}",
            d="{match: {from: server, to: client}, through: [x]}",
        )
    )


def test_two_chains_whose_answers_become_alike_are_refused() -> None:
    groups = "".join(
        f"  g{n}: {{instances: [{name}], maps: {{ingress: {{source_prefix: 10.0.0.{10 + n}}}, "
        f"egress: {{source_prefix: 10.0.0.99{ports}}}}}}}\n"
        for n, (name, ports) in enumerate((("nat", ", source_ports: 1-100"), ("nat2", ", source_ports: 100-200")))
    )
    both = chains(
        a=f"{{match: {WEB}, through: [g0], symmetric: true}}",
        b=f"{{match: {WEB.replace('client', 'mate')}, through: [g1], symmetric: true}}",
    )
    said = refused("groups:\n" + groups + both)
    assert "match the same packets, both at precedence 100" in said
    world("groups:\n" + groups.replace("1-100", "1-99") + both)


def test_a_group_of_several_chooses_by_what_stays() -> None:
    group = "groups: {nats: {instances: [nat, nat2, x], maps: " + SNAT + ", hash: [HASH]}}\n"
    more = group + chains(c=f"{{match: {WEB}, through: [nats], symmetric: true}}")
    said = refused(more.replace("hash: [HASH]", "hash: []"))
    assert "maps source_prefix, by which it chooses, so answers could not find the instance that they came by" in said
    assert "maps source_prefix" in refused(more.replace("HASH", "ip_src, ip_dst"))
    made = world(more.replace("HASH", "ip_dst"))
    there, _, seen = passes(made, CLIENT, 4000, SERVER, 80)
    assert seen == (OUTSIDE, 4000, SERVER, 80)
    assert passes(made, SERVER, 80, OUTSIDE, 4000) == (there, "client", (SERVER, 80, CLIENT, 4000))
    world(more.replace("hash: [HASH]", "hash: []").replace("symmetric: true", "symmetric: false"))


def test_chains_share_a_function_that_routes_and_says_what_it_does() -> None:
    groups = f"groups: {{nats: {{instances: [router], maps: {SNAT}}}, plain: {{instances: [router]}}}}\n"
    told = chains(
        a=f"{{match: {WEB}, through: [nats, x], symmetric: true}}",
        b=f"{{match: {WEB.replace('tcp', 'udp')}, through: [nats], symmetric: true}}",
    )
    made = world(groups + told)
    assert passes(made, CLIENT, 4000, SERVER, 80) == (["router", "x"], "server", (OUTSIDE, 4000, SERVER, 80))
    assert passes(made, SERVER, 80, OUTSIDE, 4000) == (["x", "router"], "client", (SERVER, 80, CLIENT, 4000))
    # Behind it packets of both would look alike, though they do not before it.
    alike = chains(
        a=f"{{match: {WEB}, through: [nats]}}",
        b=f"{{match: {WEB.replace('from: client', 'from: 10.0.0.99, network: web')}, through: [plain]}}",
    )
    assert "it routes, and their classifiers overlap" in refused(groups + alike)
    # A function that rewrites, nobody says what, may do the same before it.
    blind = groups + chains(
        a=f"{{match: {WEB}, through: [odd, nats]}}", b=f"{{match: {WEB.replace('80', '81')}, through: [nats]}}"
    )
    odd = "ports: {odd: {node: n1}}\ninstances: {odd: {port: odd, rewrites: true}}\n"
    assert "it routes, and their classifiers overlap" in refused_with(odd, blind)


def refused_with(first: str, more: str) -> str:
    made = World()
    objects = dict(intent.parse(BASE + more, "t.yaml").objects) | dict(intent.parse(first, "odd.yaml").objects)
    with pytest.raises(Refused) as found:
        made.become(objects)
    return str(found.value)


def test_one_port_for_both_directions() -> None:
    """A function that routes is known by what comes out of it: what it maps tells its two directions apart."""
    more = f"groups: {{nats: {{instances: [lone], maps: {SNAT}}}}}\n"
    world(more + chains(c=f"{{match: {WEB}, through: [nats], symmetric: true}}"))
    said = refused(more + chains(c="{match: {from: client}, through: [nats], symmetric: true}"))
    assert "it has one port for both directions, and routes" in said


@pytest.mark.parametrize(
    ("match", "maps", "reason"),
    [
        ("{from: client}", "{egress: {source_ports: 1-9}}", "map ports, but classifier 'c-1' does not say of which"),
        ("{from: client, protocol: icmp}", "{egress: {source_ports: 1-9}}", "write protocol: tcp (or udp, sctp) in it"),
        ("{from: client, to: server, ethertype: 0x88b5}", SNAT, "cannot pass a group that maps headers"),
    ],
)
def test_what_cannot_be_mapped_is_refused(match: str, maps: str, reason: str) -> None:
    for step in ("nat", "dpi"):
        group = f"groups: {{g: {{instances: [{step}], maps: {maps}}}}}\n"
        assert reason in refused(group + chains(c=f"{{match: {match}, through: [g]}}"))


def test_a_protocol_that_becomes_another() -> None:
    made = world(
        "groups: {g: {instances: [nat], maps: {egress: {protocol: udp, destination_ports: 7000}}}}\n"
        + chains(c=f"{{match: {WEB}, through: [g], symmetric: true}}")
    )
    (reverse,) = [path.spec for path in made.conductor.rollouts.paths.values() if path.spec.direction == "reverse"]
    ((protocol, ports),) = {(entry.headers.protocol, entry.headers.source_ports) for entry in reverse.entries}
    assert (protocol, ports) == (17, (7000, 7000))


def test_a_mapping_changes_what_enters_and_not_the_path() -> None:
    more = f"groups: {{nats: {{instances: [nat], maps: {SNAT}}}}}\n"
    more += chains(c=f"{{match: {WEB}, through: [nats], symmetric: true}}")
    made = world(more)
    before = set(made.conductor.rollouts.paths)
    made.become(intent.parse(BASE + more.replace("10.0.0.99}", "10.0.0.11}"), "t.yaml").objects)
    made.settle()
    assert set(made.conductor.rollouts.paths) == before
    assert passes(made, SERVER, 80, MATE, 4000) == (["nat"], "client", (SERVER, 80, CLIENT, 4000))
    assert visited(made.send("server", tcp(SERVER, 80, OUTSIDE, 4000)), made) == []


# -- any translators, one behind the other -----------------------------------------------------------------------------

HOSTS = {"client": 0x10, "mate": 0x11, "server": 0x20, "outside": 0x99}
ANY = ["10.0.0.{}", "fd00::{}"]


def address(name: str, six: bool) -> str:
    return ANY[six].format(f"{HOSTS[name]:x}" if six else HOSTS[name])


Look = tuple[str, int, str, int]
"""Who a packet comes from, by which port, to whom and to which port."""


@st.composite
def translations(draw: st.DrawFn) -> tuple[str, Look, list[Look]]:
    """Intent, what the client sends, and how it looks behind each step; the server gets it in the end."""
    six, protocol = draw(st.booleans()), draw(st.sampled_from(["tcp", "udp", "sctp"]))
    look: Look = ("client", 4000, draw(st.sampled_from(["server", "outside", "mate"])), 80)
    sent, looks, groups, instances, ports = look, [], "", "", ""
    count = draw(st.integers(1, 4))
    for number in range(count):
        changed = list(look)
        for place, values in ((0, ["client", "outside"]), (1, [4000, 5000]), (2, ["server", "mate"]), (3, [80, 8080])):
            if draw(st.booleans()):
                changed[place] = draw(st.sampled_from(values))
        if number == count - 1:
            changed[2] = "server"
        sides = ["", ""]
        for place, field in enumerate(("source_prefix", "source_ports", "destination_prefix", "destination_ports")):
            for side, value in enumerate((look[place], changed[place])):
                if look[place] != changed[place] or draw(st.booleans()):
                    said = f"'{address(value, six)}'" if isinstance(value, str) else value
                    sides[side] += f"{field}: {said}, "
        kind = draw(st.sampled_from(["node: n1", "{node: n2, arms: 1}", "{node: n3, aware: nsh}", "route"]))
        if kind == "route":
            for way, last in (("in", 0xA0), ("out", 0xB0)):
                own = ANY[six].format(f"{last + number:x}" if six else last + number)
                ports += f"  t{number}-{way}: {{network: web, node: n2, address: '{own}'}}\n"
            kind = f"{{ingress: t{number}-in, egress: t{number}-out, mode: route}}"
        instances += f"  t{number}: {kind.removeprefix('node: ')}\n"
        groups += (
            f"  g{number}: {{instances: [t{number}], maps: {{ingress: {{{sides[0]}}}, egress: {{{sides[1]}}}}}}}\n"
        )
        look = (str(changed[0]), int(changed[1]), str(changed[2]), int(changed[3]))
        looks.append(look)
    for name in HOSTS:
        ports += f"  {name}: {{network: web, node: {draw(st.sampled_from(['n1', 'n2', 'n3']))}, "
        ports += f"address: '{address(name, six)}', mac: '02:00:00:00:00:{HOSTS[name]:02x}'}}\n"
    to = draw(st.sampled_from(["to: " + sent[2], f"to: '{address(sent[2], six)}'"]))
    match = f"{{from: client, {to}, protocol: {protocol}, destination_ports: 80, ethertype: ipv{6 if six else 4}}}"
    through = ", ".join(f"g{number}" for number in range(count))
    text = f"nodes: [n1, n2, n3]\nnetworks: {{web: {'fd00::/64' if six else '10.0.0.0/24'}}}\nports:\n{ports}"
    text += f"instances:\n{instances}groups:\n{groups}"
    text += f"chains:\n  c: {{match: {match}, through: [{through}], symmetric: true}}\n"
    return text, sent, looks


def packet_of(look: Look, protocol: str, six: bool) -> Packet:
    source, target = HOSTS[look[0]], HOSTS[look[2]]
    fields = {"eth_src": 0x020000000000 | source, "eth_dst": 0x020000000000 | target, "nw_ttl": 64}
    fields |= {"eth_type": 0x86DD if six else 0x0800, "ip_proto": {"tcp": 6, "udp": 17, "sctp": 132}[protocol]}
    for end, name in (("src", look[0]), ("dst", look[2])):
        fields[f"ipv{6 if six else 4}_{end}"] = parse_ip(address(name, six))[1]
    return Packet.of(fields | {f"{protocol}_src": look[1], f"{protocol}_dst": look[3]}, payload=b"payload")


@settings(deadline=None, max_examples=many(75), suppress_health_check=[HealthCheck.too_slow])
@given(translations())
def test_any_translators_compose(drawn: tuple[str, Look, list[Look]]) -> None:
    text, sent, looks = drawn
    six, protocol = "ipv6" in text, next(name for name in ("tcp", "udp", "sctp") if f"protocol: {name}" in text)
    made = World()
    made.become(intent.parse(text, "t.yaml").objects)
    made.settle()
    meaning = Meaning(made.objects, made.places)
    names = [f"t{number}" for number in range(len(looks))]
    last = looks[-1]
    back = ((last[2], last[3], last[0], last[1]), (sent[2], sent[3], sent[0], sent[1]))
    for sender, met, (before, after) in (("client", names, (sent, last)), ("server", names[::-1], back)):
        packet = packet_of(before, protocol, six)
        if sender == "server":
            packet = packet.set("eth_src", 0x020000000000 | HOSTS["server"])
        journey, outcome = made.send(sender, packet), meaning.send(sender, packet)
        story = "\n".join([text, *explain(journey)])
        assert outcome.chain == "c", story
        assert [name for name, _ in visited(journey, made)] == met, story
        (arrived,) = delivered(journey)
        assert arrived.port == after[2], story
        assert arrived.packet.frame.network == packet_of(after, protocol, six).frame.network, story
        assert arrived.packet.frame.eth_dst == 0x020000000000 | HOSTS[after[2]], story
        (meant,) = outcome.delivered or ()
        assert (meant.port, meant.packet.frame.network) == (arrived.port, arrived.packet.frame.network), story
