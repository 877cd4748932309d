"""Rows as RFC 7047 writes them, what they bind, and what is planned from them."""

import pytest

from segue.drivers.ovs import ovsdb_changes as changes
from segue.drivers.ovs.ovsdb import BridgeMissing, PortRefused
from segue.drivers.ovs.ovsdb_replica import Bound, Replica, Unbound, difference


def _map(values):
    return ["map", [[key, value] for key, value in values.items()]]


def interface(name, ofport=None, external_ids=(), type_="", options=(), error=None):
    optional = {"ofport": ofport, "error": error, "admin_state": "up", "link_state": None}
    row = {"name": name, "type": type_, "options": _map(dict(options)), "external_ids": _map(dict(external_ids))}
    return row | {column: ["set", []] if value is None else value for column, value in optional.items()}


def port(name, *interfaces, external_ids=()):
    uuids = [["uuid", uuid] for uuid in interfaces]
    return {
        "name": name,
        "interfaces": uuids[0] if len(uuids) == 1 else ["set", uuids],
        "external_ids": _map(dict(external_ids)),
    }


def bridge(name, *ports):
    uuids = [["uuid", uuid] for uuid in ports]
    return {
        "name": name,
        "ports": uuids[0] if len(uuids) == 1 else ["set", uuids],
        "datapath_id": "00000000000000aa",
        "datapath_type": "netdev",
        "external_ids": _map({}),
    }


def new(**rows):
    return {uuid: {"new": row} for uuid, row in rows.items()}


@pytest.fixture
def replica():
    replica = Replica()
    replica.apply(
        {
            "Open_vSwitch": new(r={"bridges": ["set", []], "next_cfg": 4, "cur_cfg": 3}),
            "Bridge": new(b1=bridge("br-int", "p1", "p2", "p3"), b2=bridge("br-ex", "p4"), b3=bridge("br-0")),
            "Port": new(
                p1=port("tap1", "i1"),
                p2=port("bond", "i2", "i3"),
                p3=port("vx-2", "i5", external_ids={"segue-node": "2"}),
                p4=port("tap4", "i4"),
            ),
            "Interface": new(
                i1=interface("tap1", 5, {"iface-id": "A"}),
                i2=interface("eth1", 6, {"iface-id": "B"}),
                i3=interface("eth2", None, {"iface-id": "C"}),
                i4=interface("tap4", 1, {"iface-id": "D"}),
                i5=interface("vx-2", 7, {"segue-node": "2"}, "vxlan", {"remote_ip": "10.0.0.2"}),
            ),
        }
    )
    return replica


def test_only_ready_interfaces_of_the_given_bridge_bind(replica):
    assert replica.cur_cfg == 3
    assert replica.bindings("br-int") == {
        "A": Bound("A", "tap1", "br-int", 5),
        "B": Bound("B", "eth1", "br-int", 6),
    }
    assert replica.bindings("br-ex") == {"D": Bound("D", "tap4", "br-ex", 1)}
    assert replica.bindings("br-0") == replica.bindings("nowhere") == {}


def test_the_first_name_has_a_disputed_iface_id_whatever_the_order(replica):
    replica.apply(
        {"Interface": new(i3=interface("eth2", 8, {"iface-id": "B"}), i5=interface("a", 9, {"iface-id": "B"}))}
    )
    assert replica.bindings("br-int")["B"] == Bound("B", "a", "br-int", 9, ("eth1", "eth2"))
    replica.apply({"Interface": new(i5=interface("a", -1, {"iface-id": "B"}, error="no such device"))})
    assert replica.bindings("br-int")["B"] == Bound("B", "eth1", "br-int", 6, ("eth2",))


def test_differences_lead_from_one_state_to_the_other(replica):
    before = replica.bindings("br-int")
    replica.apply(
        {
            "Interface": {
                "i1": {"old": {"ofport": 5}, "new": interface("tap1", 15, {"iface-id": "A"})},
                "i2": {"old": interface("eth1", 6, {"iface-id": "B"})},
                "i3": {"old": {"ofport": ["set", []]}, "new": interface("eth2", 8, {"iface-id": "C"})},
            },
        }
    )
    after = replica.bindings("br-int")
    assert difference(before, after) == [
        Unbound("B", "eth1", "br-int", 6),
        Bound("A", "tap1", "br-int", 15),
        Bound("C", "eth2", "br-int", 8),
    ]
    assert difference(after, after) == []


def tunnel(replica, bridge="br-int", name="vx-2", type_="vxlan", remote="10.0.0.2", node="2"):
    return changes.tunnel(replica, bridge, name, type_, {"remote_ip": remote}, {"segue-node": node})


def test_nothing_is_planned_for_a_port_that_is_right(replica):
    assert tunnel(replica) == []
    assert [op["op"] for op in tunnel(replica, remote="10.0.0.3")] == ["wait", "update"]
    assert [op["op"] for op in tunnel(replica, type_="geneve")] == ["wait", "update"]
    assert [op["op"] for op in tunnel(replica, node="3")] == ["wait", "mutate", "mutate"]
    assert [op["op"] for op in tunnel(replica, name="vx-3")] == ["wait", "insert", "insert", "mutate"]


def test_ports_of_others_are_refused(replica):
    with pytest.raises(BridgeMissing, match="no bridge 'br-none'"):
        tunnel(replica, bridge="br-none")
    with pytest.raises(PortRefused, match="'tap4' is on bridge 'br-ex', not on 'br-int'"):
        tunnel(replica, name="tap4")
    for name in ("tap1", "bond"):
        with pytest.raises(PortRefused, match="made by somebody else"):
            tunnel(replica, name=name)
    with pytest.raises(PortRefused, match="part of another port"):
        tunnel(replica, name="eth1")
    with pytest.raises(ValueError, match="at least one"):
        changes.tunnel(replica, "br-int", "tap1", "vxlan", {}, {})


def test_removal_goes_by_marker(replica):
    names, operations = changes.removal(replica, "br-int", {"segue-node": "2"}, ())
    assert names == ["vx-2"]
    assert operations[0]["mutations"] == [["ports", "delete", ["set", [["uuid", "p3"]]]]]
    for bridge_, marker, keep in (
        ("br-int", {"segue-node": "2"}, {"vx-2"}),
        ("br-int", {"segue-node": "3"}, ()),
        ("br-ex", {"segue-node": "2"}, ()),
    ):
        assert changes.removal(replica, bridge_, marker, keep) == ([], [])
    with pytest.raises(ValueError, match="at least one"):
        changes.removal(replica, "br-int", {}, ())
