"""Short forms -> long ones. What people write quickly becomes bodies with the fields of the structs.

Nothing is judged here but the shape of the short form itself: values go on as they are and are read by their
fields' types, so that an address is refused in the same words wherever it stood. A draft remembers where its parts
were written, for messages and line numbers.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from segue.intent.fields import ARMS, COMMON
from segue.intent.problems import Bad, Findings, Path, label, show, suggest
from segue.intent.text import Raw
from segue.intent.values import ADDRESS, MAX_NAME, NAME, Type, check_name, describe, read_cidr

AUTOMATIC = "192.0.2."
"""Where the nodes of a bare list get their addresses (TEST-NET-1, RFC 5737): laboratories only."""


class Draft(msgspec.Struct):
    """An object in long form, unread. ``written``: under which keys fields stood, where not under their own.

    ``label`` is what messages call it: the object that somebody wrote, not the one derived from it.
    """

    kind: str
    name: str
    body: dict[str, Raw]
    path: Path
    owner: str | None = None
    owner_label: str | None = None
    written: dict[str, Path] = {}

    @property
    def label(self) -> str:
        return self.owner_label or label(self.kind, self.name)

    def at(self, field: str) -> Path:
        return self.path + self.written.get(field, (field,))

    def called(self, field: str) -> str:
        """The field as its author wrote it."""
        written = self.written.get(field)
        return str(written[0]) if written else field


def expand(kind: str, name: str, raw: Raw, path: Path, findings: Findings) -> list[Draft]:
    """The drafts that one entry stands for; what is wrong with its shape goes to ``findings``."""
    try:
        drafts = list(_EXPANDERS[kind](name, raw, path))
    except Bad as bad:
        findings.add_bad(path, label(kind, name), "", bad)
        return []
    _inherit(drafts)
    return drafts


def _inherit(drafts: list[Draft]) -> None:
    """What is declared inside an object is of the object's project, unless it says another."""
    whose = {f"{draft.kind}/{draft.name}": draft.body.get("project") for draft in drafts if draft.owner is None}
    for draft in drafts:
        project = whose.get(draft.owner or "")
        if project is None or "project" in draft.body:
            continue
        try:
            COMMON["project"].type.read(project)
        except Bad:
            continue  # told when the object itself is read
        draft.body["project"] = project


def automatic_nodes(names: list[Raw], path: Path, findings: Findings) -> list[Draft]:
    """``nodes: [n1, n2]``: addresses by position."""
    drafts = []
    for position, raw in enumerate(names):
        at = (*path, position)
        if not isinstance(raw, str):
            findings.add(at, "nodes", f"item {position + 1} is {describe(raw)}", "write names only, or a mapping")
        elif position > 253:
            hint = f"write a mapping of names to addresses, {AUTOMATIC}0/24 has 254"
            findings.add(at, "nodes", f"there are {len(names)} nodes without addresses", hint)
            break
        else:
            drafts.append(Draft("node", str(raw), {"address": f"{AUTOMATIC}{position + 1}"}, at))
    return drafts


def _mapping(kind: str, raw: Raw, hint: str) -> dict[str, Raw]:
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise Bad(f"a {kind} is not {describe(raw)}", hint)
    return dict(raw)


def _only_one(body: dict[str, Raw], short: str, *others: str) -> None:
    for other in others:
        if short in body and other in body:
            raise Bad(f"{short} and {other} say the same thing", "keep one", (other,))


def _made(name: str, suffix: str) -> str:
    """The name of something that is made because of ``name``."""
    try:
        check_name(name)
    except Bad as bad:
        raise Bad(f"the name {bad.message}", bad.hint) from None
    if len(name) + len(suffix) > MAX_NAME:
        raise Bad(
            f"the name made from it, {show(name + suffix)}, has {len(name) + len(suffix)} characters",
            f"shorten its own to {MAX_NAME - len(suffix)}",
        )
    return name + suffix


def _read(type_: Type, field: str, raw: Raw) -> Any:
    try:
        return type_.read(raw)
    except Bad as bad:
        raise Bad(f"{field} {bad.message}", bad.hint, (field, *bad.at)) from None


def _node(name: str, raw: Raw, path: Path) -> Iterator[Draft]:
    body = {"address": raw} if isinstance(raw, str) else _mapping("node", raw, "write its address: 192.0.2.1")
    yield Draft("node", name, body, path)


def _network(name: str, raw: Raw, path: Path) -> Iterator[Draft]:
    if isinstance(raw, str):
        raw = {"cidr": raw}
        places: Path = ()
    elif isinstance(raw, list):
        raw = {"subnets": raw}
        places = ()
    else:
        places = ("subnets",)
    body = _mapping("network", raw, "write its prefix: 10.0.0.0/24")
    _only_one(body, "cidr", "subnets")
    given, gateway = "gateway" in body, body.pop("gateway", None)
    single = "cidr" in body
    subnets = [body.pop("cidr")] if single else body.pop("subnets", [])
    yield Draft("network", name, body, path)
    if not isinstance(subnets, list):
        raise Bad(f"subnets is {describe(subnets)}", "write a list, such as [10.0.0.0/24]", ("subnets",))
    drafts = []
    for position, item in enumerate(subnets):
        at: Path = path if single else (*path, *places, position)
        if isinstance(item, dict):
            fields = dict(item)
            for key in fields:
                if key not in ("cidr", "gateway"):
                    hint = suggest(key, ("cidr", "gateway"), "a subnet in a network has cidr and gateway")
                    raise Bad(f"subnet {position + 1} has no field {show(key)}", hint, (*places, position, key))
        else:
            fields = {"cidr": item}
        fields["network"] = name
        subnet = name if position == 0 else _made(name, f"-{position + 1}")
        drafts.append(Draft("subnet", subnet, fields, at, f"network/{name}", label("network", name)))
    if given:
        _give_gateway(gateway, drafts)
    yield from drafts


def _give_gateway(gateway: Raw, drafts: list[Draft]) -> None:
    address = ipaddress.ip_address(_read(ADDRESS, "gateway", gateway))
    for draft in drafts:
        try:
            inside = address in ipaddress.ip_network(read_cidr(draft.body.get("cidr")))
        except Bad:
            return  # told when the subnet is read
        if inside:
            if "gateway" in draft.body:
                raise Bad("the subnet that gateway is in has one already", "keep one", ("gateway",))
            draft.body["gateway"] = gateway
            return
    raise Bad(f"gateway is {show(str(gateway))}, in none of its subnets", "write one that is", ("gateway",))


def _port(name: str, raw: Raw, path: Path) -> Iterator[Draft]:
    body = _mapping("port", raw, "write {network: NAME, node: NAME, address: 10.0.0.10}")
    _only_one(body, "address", "addresses")
    if "address" in body:
        address = body.pop("address")
        if isinstance(address, list):
            raise Bad("address is a list", "write addresses: [...]", ("address",))
        body["addresses"] = [_read(ADDRESS, "address", address)]
        yield Draft("port", name, body, path, written={"addresses": ("address",)})
        return
    yield Draft("port", name, body, path)


def _instance(name: str, raw: Raw, path: Path) -> Iterator[Draft]:
    body = {"node": raw} if isinstance(raw, str) else _mapping("instance", raw, "write the name of its node")
    _only_one(body, "port", "node", "ingress", "egress")
    _only_one(body, "node", "ingress", "egress")
    if "arms" in body and "node" not in body:
        raise Bad("arms is how many ports to make on a node, and there is no node", "write node: NAME", ("arms",))
    if "port" in body:
        port = body.pop("port")
        body |= {"ingress": port, "egress": port}
        yield Draft("instance", name, body, path, written={"ingress": ("port",), "egress": ("port",)})
        return
    if "node" not in body:
        yield Draft("instance", name, body, path)
        return
    node = body.pop("node")
    _read(NAME, "node", node)
    arms = _read(ARMS, "arms", body.pop("arms", 2))
    ports = [name] if arms == 1 else [_made(name, "-in"), _made(name, "-out")]
    for port in ports:
        yield Draft("port", port, {"node": node}, path, f"instance/{name}", label("instance", name))
    body |= {"ingress": ports[0], "egress": ports[-1]}
    yield Draft("instance", name, body, path)


def _listed(kind: str, field: str) -> Callable[[str, Raw, Path], Iterator[Draft]]:
    def expander(name: str, raw: Raw, path: Path) -> Iterator[Draft]:
        if isinstance(raw, list):
            yield Draft(kind, name, {field: raw}, path, written={field: ()})
            return
        yield Draft(kind, name, _mapping(kind, raw, f"write its {field}: [a, b]"), path)

    return expander


def _subnet(name: str, raw: Raw, path: Path) -> Iterator[Draft]:
    yield Draft("subnet", name, _mapping("subnet", raw, "write {network: NAME, cidr: 10.0.0.0/24}"), path)


_ADDRESS_LIKE = re.compile(r"[0-9]+(\.[0-9]+){3}\Z")


def _classifier_body(raw: dict[str, Raw]) -> tuple[dict[str, Raw], dict[str, Path]]:
    body = dict(raw)
    written: dict[str, Path] = {}
    for short, side in (("from", "source"), ("to", "destination")):
        if short not in body:
            continue
        value = body.pop(short)
        if not isinstance(value, str):
            hint = "write one port's name, or an IP address or prefix"
            raise Bad(f"{short} is {describe(value)}", hint, (short,))
        is_prefix = "/" in value or ":" in value or _ADDRESS_LIKE.match(value)
        field = f"{side}_{'prefix' if is_prefix else 'port'}"
        if field in body:
            raise Bad(f"{short} and {field} say the same thing", "keep one", (field,))
        body[field] = value
        written[field] = (short,)
    return body, written


def _classifier(name: str, raw: Raw, path: Path) -> Iterator[Draft]:
    body, written = _classifier_body(_mapping("classifier", raw, "write {from: PORT, protocol: tcp}"))
    yield Draft("classifier", name, body, path, written=written)


def _chain(name: str, raw: Raw, path: Path) -> Iterator[Draft]:
    body = _mapping("chain", raw, "write {match: {from: PORT}, through: [NAME]}")
    _only_one(body, "match", "classifiers")
    _only_one(body, "through", "groups")
    written: dict[str, Path] = {}
    if "match" in body:
        names: list[Raw] = []
        match = body.pop("match")
        alone = not isinstance(match, list)
        for position, item in enumerate([match] if alone else match):
            at: Path = ("match",) if alone else ("match", position)
            if isinstance(item, dict):
                made = _made(name, f"-{position + 1}")
                try:
                    fields, keys = _classifier_body(item)
                except Bad as bad:
                    raise Bad(bad.message, bad.hint, (*at, *bad.at)) from None
                names.append(made)
                owner = f"chain/{name}"
                yield Draft("classifier", made, fields, path + at, owner, label("chain", name), keys)
            elif isinstance(item, str):
                names.append(item)
            else:
                hint = "write a classifier, such as {from: client, protocol: tcp}, or the name of one"
                raise Bad(f"match is {describe(item)}", hint, at)
        body["classifiers"] = names
        written["classifiers"] = ("match",)
    if "through" in body:
        steps = body.pop("through")
        if not isinstance(steps, list):
            one = f"[{steps[:40]}]" if isinstance(steps, str) else "[NAME]"
            raise Bad(f"through is {describe(steps)}", f"write a list of steps: {one}", ("through",))
        groups: list[Raw] = []
        for position, step in enumerate(steps):
            at = ("through", position)
            if isinstance(step, (list, dict)):
                made = _made(name, f"-step{position + 1}")
                if step == []:
                    raise Bad(f"step {position + 1} is an empty list", "write instances, or remove it", at)
                groups.append(made)
                owner = f"chain/{name}"
                body_of = {"instances": step} if isinstance(step, list) else dict(step)
                places: dict[str, Path] = {"instances": ()} if isinstance(step, list) else {}
                yield Draft("group", made, body_of, path + at, owner, label("chain", name), places)
            elif isinstance(step, str):
                groups.append(step)
            else:
                hint = "write the name of a group or an instance, a list of instances, or a group"
                raise Bad(f"step {position + 1} is {describe(step)}", hint, at)
        body["groups"] = groups
        written["groups"] = ("through",)
    yield Draft("chain", name, body, path, written=written)


def _graph(name: str, raw: Raw, path: Path) -> Iterator[Draft]:
    body = _mapping("graph", raw, "write {branch: {FIRST: [SECOND, THIRD]}}")
    _only_one(body, "branch", "branches")
    if "branch" not in body:
        yield Draft("graph", name, body, path)
        return
    branch = body.pop("branch")
    if not isinstance(branch, dict):
        raise Bad(f"branch is {describe(branch)}", "write chains by chain: {FIRST: [SECOND, THIRD]}", ("branch",))
    body["branches"] = [{"chain": _read(NAME, "branch", chain), "into": into} for chain, into in branch.items()]
    yield Draft("graph", name, body, path, written={"branches": ("branch",)})


def _service(name: str, raw: Raw, path: Path) -> Iterator[Draft]:
    yield Draft("service", name, _mapping("service", raw, "write {hook: ingress, attach: [port/NAME]}"), path)


_EXPANDERS: dict[str, Callable[[str, Raw, Path], Iterator[Draft]]] = {
    "node": _node,
    "network": _network,
    "subnet": _subnet,
    "router": _listed("router", "subnets"),
    "port": _port,
    "instance": _instance,
    "group": _listed("group", "instances"),
    "classifier": _classifier,
    "chain": _chain,
    "graph": _graph,
    "service": _service,
}
