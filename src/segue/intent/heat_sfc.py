"""Flow classifiers, port pairs, groups and chains of a Heat template, as networking-sfc has them."""

from __future__ import annotations

import ipaddress

from segue.intent.heat_values import boolean
from segue.intent.heat_view import View
from segue.intent.problems import Path, show, suggest
from segue.intent.shorts import Draft
from segue.intent.text import Raw
from segue.intent.values import PORTED, describe

ENCAPSULATION = "mpls"
"""networking-sfc's default, not Segue's."""
_FAMILIES = {"ipv4": 4, "ipv6": 6}
_LAST_PORT = 65535


def classifier(view: View) -> Draft | None:
    ethertype = (view.text("ethertype") or "IPv4").lower()
    if ethertype not in _FAMILIES:
        view.bad("ethertype", f"is {describe(view.get('ethertype'))}", "write IPv4 or IPv6")
    protocol = view.text("protocol")
    fields: dict[str, tuple[Raw, str]] = {
        "ethertype": (ethertype, "ethertype"),
        "protocol": (protocol.lower() if protocol else None, "protocol"),
        "source_port": (view.one("port", "logical_source_port"), "logical_source_port"),
        "destination_port": (view.one("port", "logical_destination_port"), "logical_destination_port"),
    }
    for side in ("source", "destination"):
        prefix = f"{side}_ip_prefix"
        fields[f"{side}_prefix"] = (_prefix(view, prefix, ethertype), prefix)
        fields[f"{side}_ports"] = (_ports(view, side, protocol), f"{side}_port_range_min")
    return view.draft(fields)


def _prefix(view: View, name: str, ethertype: str) -> str | None:
    prefix = view.text(name)
    try:
        version = None if prefix is None else ipaddress.ip_interface(prefix).version
    except ValueError:
        return prefix  # told when the object is made
    if version is not None and ethertype in _FAMILIES and version != _FAMILIES[ethertype]:
        view.bad(
            name, f"is IPv{version}, while ethertype is IPv{_FAMILIES[ethertype]}", f"write ethertype: IPv{version}"
        )
    return prefix


def _ports(view: View, side: str, protocol: str | None) -> list[int] | None:
    """Both ends; one alone leaves the other open."""
    names = f"{side}_port_range_min", f"{side}_port_range_max"
    low, high = (view.number(name, 0, _LAST_PORT) for name in names)
    if low is None and high is None:
        return None
    written = names[0] if low is not None else names[1]
    if protocol is None:
        view.bad(written, "needs a protocol", "write protocol: tcp (or udp, sctp)")
    elif protocol.lower() not in PORTED:
        view.bad(written, f"cannot be asked for: protocol {protocol} has no ports", f"remove {written}")
    if low is not None and high is not None and low > high:
        view.bad(names[0], f"is {low}, more than {names[1]}, {high}", f"write {high}, and {low} as {names[1]}")
    return [0 if low is None else low, _LAST_PORT if high is None else high]


def instance(view: View) -> Draft | None:
    name = "service_function_parameters"
    asked = view.mapping(name, ("correlation", "weight"), view.get(name))
    aware = asked.get("correlation")
    if aware is not None:
        aware = _encapsulation(view, name, aware, "write mpls, nsh or null")
    weight = view.whole(name, asked.get("weight"), 0, 255, ("weight",), "weight ")
    return view.draft(
        {
            "ingress": (view.one("port", "ingress"), "ingress"),
            "egress": (view.one("port", "egress"), "egress"),
            "aware": (aware, f"{name}/correlation"),
            "weight": (weight, f"{name}/weight"),
        }
    )


def _encapsulation(view: View, name: str, value: Raw, otherwise: str) -> str | None:
    if value in ("mpls", "nsh"):
        return str(value)
    hint = suggest(value, ("mpls", "nsh"), otherwise) if isinstance(value, str) else otherwise
    view.bad(name, f"correlation is {describe(value)}", hint, ("correlation",))
    return None


def group(view: View) -> Draft | None:
    name = "port_pair_group_parameters"
    asked = view.mapping(name, ("lb_fields", "ppg_n_tuple_mapping"), view.get(name))
    key = "ppg_n_tuple_mapping"
    sides = _part(view, name, (key,), ("ingress_n_tuple", "egress_n_tuple"), asked.get(key))
    maps = {
        side.removesuffix("_n_tuple"): said
        for side, value in sides.items()
        if (said := _n_tuple(view, name, (key, side), value))
    }
    pairs, tap = view.several("instance", "port_pairs"), view.flag("tap_enabled")
    if tap and len(pairs) != 1:
        view.bad("port_pairs", f"are {len(pairs)}, while a tap has one", "write a group for each pair")
    return view.draft(
        {
            "instances": (pairs, "port_pairs"),
            "tap": (tap, "tap_enabled"),
            "hash": (asked.get("lb_fields") or None, f"{name}/lb_fields"),
            "maps": (maps or None, f"{name}/{key}"),
        }
    )


def _part(view: View, name: str, at: Path, known: tuple[str, ...], value: Raw) -> dict[str, Raw]:
    """A mapping inside the property ``name``, with known keys; nothing where there is none."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        view.bad(
            name, f"has {at[-1]}, which must be a mapping, not {describe(value)}", f"write {{{known[0]}: ...}}", at
        )
        return {}
    for key in value:
        if key not in known:
            hint = suggest(key, known, f"it has {', '.join(known)}")
            view.bad(name, f"has {at[-1]}, which has no {show(key)}", hint, (*at, key))
    return {key: value[key] for key in known if key in value}


_N_TUPLE = tuple(
    f"{side}_{what}" for side in ("source", "destination") for what in ("ip_prefix", "port_range_min", "port_range_max")
)


def _n_tuple(view: View, name: str, at: Path, value: Raw) -> dict[str, Raw]:
    """One side of a mapping, as an intent has it."""
    said = _part(view, name, at, _N_TUPLE, value)
    made: dict[str, Raw] = {}
    for side in ("source", "destination"):
        prefix = said.get(f"{side}_ip_prefix")
        if prefix is not None:
            made[f"{side}_prefix"] = prefix
        names = f"{side}_port_range_min", f"{side}_port_range_max"
        low, high = (view.whole(name, said.get(key), 0, _LAST_PORT, (*at, key), f"{key} ") for key in names)
        if low is not None or high is not None:
            made[f"{side}_ports"] = [0 if low is None else low, _LAST_PORT if high is None else high]
    return made


def chain(view: View) -> Draft | None:
    name = "chain_parameters"
    asked = view.mapping(name, ("correlation", "symmetric"), view.get(name))
    encapsulation: str | None = ENCAPSULATION
    if "correlation" in asked:
        encapsulation = _encapsulation(view, name, asked["correlation"], "write mpls or nsh")
    symmetric = asked.get("symmetric")
    if symmetric is not None and boolean(symmetric) is None:
        view.bad(name, f"symmetric is {describe(symmetric)}", "write true or false", ("symmetric",))
    return view.draft(
        {
            "classifiers": (view.several("classifier", "flow_classifiers"), "flow_classifiers"),
            "groups": (view.several("group", "port_pair_groups"), "port_pair_groups"),
            "symmetric": (None if symmetric is None else boolean(symmetric), f"{name}/symmetric"),
            "encapsulation": (encapsulation, f"{name}/correlation"),
        }
    )


def graph(view: View) -> Draft | None:
    """Chains that follow others take no packets elsewhere, as networking-sfc has it."""
    name = "port_chains"
    asked = view.get(name)
    branches = []
    if asked is not None and not isinstance(asked, dict):
        view.bad(name, f"must be a mapping, not {describe(asked)}", "write {CHAIN: [CHAIN, CHAIN]}")
        asked = None
    for source, ends in (asked or {}).items():
        if not isinstance(ends, list):
            view.bad(name, f"has {show(source)}, which is {describe(ends)}", "write a list of chains", (source,))
            continue
        view.stack.budget.spend(len(ends))
        into = [view.object("chain", name, end, (source, position)) for position, end in enumerate(ends)]
        branches.append({"chain": source, "into": [end for end in into if end is not None]})
    return view.draft({"branches": (branches, name), "exclusive": (True, "")})
