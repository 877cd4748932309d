"""From a spec to the lines that ``ip``, ``sysctl`` and ``ovs-vsctl`` are given. Pure: nothing is run here.

                 namespace <lab>-ul                 namespace <lab>-NODE            namespace <lab>-HOST
              +----------------------+        +-------------------------------+      +----------------+
  other ------| n-other   br   n-NODE|--veth--|ul0 -- br-ul      br-int -- PORT|-veth-| eth0           |
  nodes       |      Linux bridge    |        |  (underlay address) (secure)   |      | (addresses)    |
              +----------------------+        +-------------------------------+      +----------------+

No frame moves that nobody asked for: no IPv6 on switches' ends, on an underlay without IPv6 addresses, or on a port
without them (a raw function's); no duplicate address detection, no router solicitation, no multicast snooping
queries. No transmit checksum offload on any veth: the userspace datapath would hand on packets whose
checksums nobody ever fills in, and TCP would get nothing through.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from segue.lab import names
from segue.lab.spec import LabHost, LabNode, LabPort, LabSpec, has_family, port_mtu, underlay_interfaces

Settings = list[tuple[str, str]]
HOST_OFFLOADS = ("tx", "off")
SWITCH_OFFLOADS = ("tx", "off", "gro", "off")
PROTOCOLS = "OpenFlow10,OpenFlow13,OpenFlow14,OpenFlow15"


def members(spec: LabSpec) -> list[str]:
    """All namespaces' short names, the underlay's first."""
    return [names.UNDERLAY, *(n.name for n in spec.nodes), *(h.name for h in spec.hosts)]


def underlay_links(spec: LabSpec) -> list[str]:
    ul, bridge = names.namespace(spec.name, names.UNDERLAY), names.UNDERLAY_BRIDGE
    lines = [f"link add name {bridge} mtu {spec.underlay_mtu} netns {ul} type bridge mcast_snooping 0 stp_state 0"]
    for node in spec.nodes:
        inner = names.namespace(spec.name, node.name)
        lines.append(
            f"link add name {names.underlay_port(node.name)} mtu {spec.underlay_mtu} netns {ul}"
            f" type veth peer name {names.UPLINK} mtu {spec.underlay_mtu} netns {inner}"
        )
    return lines


def host_link(spec: LabSpec, host: LabHost, port: LabPort) -> str:
    inner, outer = names.namespace(spec.name, host.name), names.namespace(spec.name, host.node)
    mtu = port_mtu(spec, port)
    return (
        f"link add name {port.interface} mtu {mtu} address {port.mac} netns {inner}"
        f" type veth peer name {names.switch_interface(port.name)} mtu {mtu} netns {outer}"
    )


def underlay_setup(spec: LabSpec) -> list[str]:
    ports = [names.underlay_port(n.name) for n in spec.nodes]
    return [
        "link set dev lo up",
        f"link set dev {names.UNDERLAY_BRIDGE} up",
        *(f"link set dev {p} master {names.UNDERLAY_BRIDGE} up" for p in ports),
    ]


def node_setup(interfaces: Iterable[str]) -> list[str]:
    """``arp off``: the kernel of the node sees what the switch's interfaces see, and would answer ARP requests for
    ``br-ul``'s address with the MAC of the interface that they came by, where no tunnel listens."""
    return ["link set dev lo up", *(f"link set dev {i} arp off up" for i in interfaces)]


def tunnel_bridge_settings(node: LabNode) -> Settings:
    """Before ``br-ul`` has its addresses."""
    conf = f"ipv6/conf/{names.TUNNEL_BRIDGE}"
    if all(address.version == 4 for address in underlay_interfaces(node)):
        return []
    silent = [(f"{conf}/{what}", "0") for what in ("accept_dad", "accept_ra", "router_solicitations")]
    return [*silent, (f"{conf}/disable_ipv6", "0")]


def tunnel_bridge_setup(spec: LabSpec, node: LabNode) -> list[str]:
    """The underlay addresses, on the LOCAL port of ``br-ul``."""
    bridge = names.TUNNEL_BRIDGE
    return [
        *(
            f"addr replace {address} dev {bridge}{' nodad' if address.version == 6 else ''}"
            for address in underlay_interfaces(node)
        ),
        f"link set dev {bridge} mtu {spec.underlay_mtu} up",
    ]


def host_setup(host: LabHost, ports: Iterable[LabPort]) -> list[str]:
    """For some of a host's ports; its first port's gateway is the preferred one."""
    lines = ["link set dev lo up"]
    for port in ports:
        for address in port.addresses:
            nodad = " nodad" if ipaddress.ip_interface(address).version == 6 else ""
            lines.append(f"addr add {address} dev {port.interface}{nodad}")
        lines.append(f"link set dev {port.interface} up")
        networks = [ipaddress.ip_interface(a).network for a in port.addresses]
        for metric, gateway in enumerate(port.gateways, 1 + 16 * host.ports.index(port)):
            via = ipaddress.ip_address(gateway)
            onlink = "" if any(via in n for n in networks) else " onlink"
            lines.append(f"route add default via {via} dev {port.interface}{onlink} metric {metric}")
    return lines


def quiet_defaults() -> Settings:
    """For the namespace of a node or of the underlay, before its interfaces are made."""
    return [
        ("ipv6/conf/default/disable_ipv6", "1"),
        ("ipv4/conf/all/rp_filter", "0"),
        ("ipv4/conf/default/rp_filter", "0"),
    ]


def host_defaults(host: LabHost) -> Settings:
    settings: Settings = []
    if host.forward:  # first: turning it on resets settings of the interfaces
        settings += [("ipv4/ip_forward", "1"), ("ipv6/conf/all/forwarding", "1")]
        settings += [("ipv6/conf/default/forwarding", "1")]
    for scope in ("all", "default"):
        settings += [
            (f"ipv4/conf/{scope}/rp_filter", "0"),
            (f"ipv4/conf/{scope}/send_redirects", "0"),
            (f"ipv6/conf/{scope}/accept_dad", "0"),
            (f"ipv6/conf/{scope}/router_solicitations", "0"),
            (f"ipv6/conf/{scope}/accept_ra", "0"),
        ]
    return settings


def port_settings(port: LabPort) -> Settings:
    """After the interface is made, before it is up."""
    off = "0" if has_family(port, 6) else "1"
    return [(f"ipv6/conf/{port.interface}/disable_ipv6", off)]


def bridges(spec: LabSpec, node: LabNode) -> list[str]:
    """Arguments of one ``ovs-vsctl``, commands divided by ``--``."""
    integration, tunnel = names.INTEGRATION_BRIDGE, names.TUNNEL_BRIDGE
    arguments = [
        *("--", "set", "Open_vSwitch", "."),
        *(f"external_ids:system-id={node.name}", f"external_ids:hostname={node.name}"),
        *("--", "--may-exist", "add-br", integration),
        *("--", "set", "bridge", integration, "datapath_type=netdev", "fail_mode=secure"),
        *(f"protocols={PROTOCOLS}", "other_config:disable-in-band=true"),
        *("--", "--may-exist", "add-br", tunnel),
        *("--", "set", "bridge", tunnel, "datapath_type=netdev", "fail_mode=standalone"),
        *(f"protocols={PROTOCOLS}", "other_config:disable-in-band=true"),
        f'other_config:hwaddr="{names.node_mac(spec.name, node.name)}"',
        *("--", "set", "interface", tunnel, f"mtu_request={spec.underlay_mtu}"),
        *("--", "--may-exist", "add-port", tunnel, names.UPLINK),
    ]
    if node.key:
        arguments += ["--", "set", "bridge", integration, f"other_config:datapath-id={node.key:016x}"]
    return arguments


def add_port(port: LabPort) -> list[str]:
    name = names.switch_interface(port.name)
    mac = port.mac.lower()
    return [
        *("--", "--may-exist", "add-port", names.INTEGRATION_BRIDGE, name),
        *("--", "set", "interface", name),
        *(f'external_ids:iface-id="{port.name}"', f'external_ids:attached-mac="{mac}"'),
    ]


def delete_port(port: LabPort) -> list[str]:
    return ["--", "--if-exists", "del-port", names.INTEGRATION_BRIDGE, names.switch_interface(port.name)]
