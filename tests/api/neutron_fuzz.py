"""Requests that are wrong in some way, and sometimes in none: bodies, ids, paths and queries, from a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from segue.neutron.attributes import KINDS
from segue.neutron.shape import Kind

Ids = Mapping[str, Sequence[str]]
"""By kind."""

NOBODY = "00000000-0000-4000-8000-000000000000"
_RAW = "\0raw "
"""Begins a text that stands in JSON as it is, without its quotes."""
LEAVES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 7, 255, 65535, 65536, 2**31, 2**63, 2**64, -(2**63) - 1, 10**30),
    *(0.5, 1e308, -0.0, 5e-324, float("nan"), float("inf"), _RAW + "1e999", _RAW + "-", _RAW + "1" * 5000),
    *("", " ", "x", "0", "-1", "65536", "1" * 50, "١٢", "true", "nsh", "tcp", "IPv4", "\0", "\ud800", "\udfff\ud800"),
    *("é" * 256, "x" * 255, "x" * 256, "x" * 5000, "%s%n{}", "'; DROP TABLE ports; --", "../../etc", "\u202e\ufeff"),
    *("10.0.0.0/24", "10.0.0.7", "::/0", "fe80::1%eth0", "10.0.0.0/33", "0.0.0.0/0", "010.0.0.1", "10.0.0.5/24"),
    *("fa:16:3e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "fa-16-3e-00-00-0g"),
    *([], [[]], [None], [1, "x"], ["x"] * 300, {}, {"": 0}, {"id": NOBODY}, {"x": {"y": {"z": []}}}),
    *(_RAW + "[" * 40 + "]" * 40, _RAW + "[" * 70 + "]" * 70, _RAW + '{"a":' * 30 + "1" + "}" * 30),
    *(_RAW + "[" + "0," * 12000 + "0]", _RAW + '"\\u12"', _RAW + "tru", _RAW + "01", _RAW + '"\t"', [NOBODY, NOBODY]),
)
BROKEN: tuple[bytes, ...] = (
    *(
        b"",
        b" ",
        b"null",
        b"0",
        b'""',
        b"[]",
        b"{}",
        b"[{}]",
        b"{",
        b"}",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"{}{}",
        b"{} x",
    ),
    *(
        b"a=b&c=d",
        b"<port/>",
        b"\0" * 100,
        b'{"network"',
        b'{"port":{"name":"\xc3\x28"}}',
        b"[" * 100_000,
        b'{"a":' * 5000,
    ),
    *(b'"' + b"x" * 100_000 + b'"', b'"' + b"\\" * 9999, b'{"port":{}, "port":{}}', b"'port'", b"{1: 2}", b"NaN", b"-"),
)
_QUERIES = (
    *("limit=0", "limit=1", "limit=-1", "limit=1e3", "limit=%D9%A1", "limit=99999999999999999999", "limit=1&marker=x"),
    *("marker=%00", "page_reverse=maybe", "sort_key=name", "sort_key=x", "sort_dir=up", "sort_key=id&sort_dir=desc"),
    *("fields=id", "fields=", "fields=x", "fields=__class__", "id=%ff", "name=%00", "protocol=", "protocol=17", "x=y"),
    *(
        "chain_id=x",
        "tap_enabled=perhaps",
        "admin_state_up=2",
        "ip_version=six",
        "source_port_range_min=-1",
        "&&&",
        "=",
    ),
    *(
        "%",
        "%zz=%",
        "ethertype=ipx",
        "fixed_ips=ip_address",
        "fixed_ips=x=%3d",
        "tags=,,",
        "not-tags=%00",
        "a=b&" * 1500,
    ),
    *(
        "mac_address=zz",
        "shared=x",
        "limit=1&limit=x",
        "sort_key=tags",
        "project_id=blue",
        "tenant_id=red",
        "group_id=",
    ),
)
_ENDS = (
    "/",
    "//",
    ".json",
    "/.json",
    ".xml",
    "/x/y",
    "/%2e%2e",
    "/..",
    "/%00",
    "/add_router_interface",
    "/tags",
    ";a=b",
)
_PLACES = (
    *("/v2.0", "/v2.0/", "/v2.0/sfc", "/v2.0/sfc/networks", "/v2.0/port_pairs", "/v2.0/extensions/x", "/v2.0/sfc/x/y"),
    *("/v2.0/quotas/blue", "/v2.0/quotas/red", "/v2.0/quotas/x/y/z", "/v2.0/quotas", "/v2.0/quotas/red/details"),
    *("/v2.0/%70orts", "/v2.0/ports%2Fx", "/v2.0/Ports", "/v2.0/__class__", "/v2.0/ports\u00e9", "/v2.0/openapi.json"),
)


class Asked(NamedTuple):
    method: str
    path: str
    body: bytes | None


class Fuzz:
    """``own``: the ids of the one who asks; ``foreign``: those of others, which must stay as they are."""

    def __init__(self, rng: random.Random, own: Ids, foreign: Ids) -> None:
        self.rng, self.own, self.foreign = rng, own, foreign

    def request(self) -> Asked:
        rng = self.rng
        kind = rng.choice(list(KINDS.values()))
        if rng.random() < 0.1:
            return self._elsewhere(kind)
        method = rng.choice(("POST",) * 8 + ("PUT",) * 8 + ("DELETE", "DELETE", "GET", "GET", "PATCH", "HEAD", "x"))
        path = "/".join(part for part in ("/v2.0", kind.prefix, kind.plural) if part)
        if method not in ("POST", "GET") or rng.random() < 0.1:
            path += "/" + quote(self.id(kind.name), safe="", errors="replace")
        if rng.random() < 0.08:
            path += rng.choice(_ENDS)
        if rng.random() < (0.8 if method == "GET" else 0.05):
            path += "?" + "&".join(rng.choices(_QUERIES, k=rng.randint(1, 3)))
        return Asked(method, path, self.body(kind, method) if method in ("POST", "PUT", "PATCH") else None)

    def _elsewhere(self, kind: Kind) -> Asked:
        rng = self.rng
        method = rng.choice(("GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS"))
        if rng.random() < 0.5:
            action = rng.choice(("add_router_interface", "remove_router_interface", "x"))
            body = {name: self.leaf(name) for name in ("port_id", "subnet_id", "x") if rng.random() < 0.6}
            return Asked("PUT", f"/v2.0/routers/{quote(self.id('router'), safe='')}/{action}", self.text(body))
        if rng.random() < 0.4:
            tagged = rng.choice([kind for kind in KINDS.values() if "tags" in kind.by_name])
            path = f"/v2.0/{tagged.plural}/{quote(self.id(tagged.name), safe='')}/tags" + rng.choice(("", "/x", "/%00"))
            return Asked(method, path, self.text({"tags": rng.choice((["a"], ["a", "b"], *LEAVES))}))
        quota = {"quota": {rng.choice([*KINDS, "x", ""]): rng.choice(LEAVES)}}
        body = rng.choice((quota, {"quota": rng.choice(LEAVES)}, {kind.name: {}}))
        return Asked(method, quote(rng.choice(_PLACES), safe="/%"), self.text(body))

    def id(self, kind: str) -> str:
        pick = self.rng.random()
        if pick < 0.2 and self.foreign.get(kind):
            return self.rng.choice(self.foreign[kind])
        if pick < 0.85 and self.own.get(kind):
            return self.rng.choice(self.own[kind])
        strange = [value for value in LEAVES if isinstance(value, str) and 0 < len(value) < 400 and value.isprintable()]
        return self.rng.choice((NOBODY, NOBODY.upper(), NOBODY.replace("-", ""), *strange)).replace(_RAW, "")

    # -- bodies ----------------------------------------------------------------------------------------------------

    def body(self, kind: Kind, method: str) -> bytes:
        rng = self.rng
        if rng.random() < 0.08:
            return rng.choice(BROKEN)
        given = self.values(kind, method)
        if rng.random() < 0.85:
            self.spoil(given, kind)
        body: Any = {kind.name: given}
        if kind.bulk and rng.random() < 0.1:  # some of them possible, some not
            body = {kind.plural: [self.values(kind, method) for _ in range(rng.randint(1, 4))]}
        elif rng.random() < 0.06:
            several = [given, self.values(kind, method), {kind.name: given}, rng.choice(LEAVES)]
            body = {kind.plural: rng.choice((several[: rng.randint(0, 4)], rng.choice(LEAVES)))}
        elif rng.random() < 0.04:
            body = rng.choice(({kind.plural: given}, {kind.name: rng.choice(LEAVES)}, given, [body], {**body, "x": 1}))
        text = self.text(body)
        if rng.random() < 0.05:
            text = text[: rng.randrange(len(text))]
        elif rng.random() < 0.03:
            place = rng.randrange(len(text))
            text = text[:place] + bytes([rng.randrange(256)]) + text[place + 1 :]
        return text

    def values(self, kind: Kind, method: str) -> dict[str, Any]:
        """What would be taken if the ids were one's own, mostly."""
        some = [one.name for one in kind.attributes if (one.put if method == "PUT" else one.post)]
        usual = self._usual(kind.name)
        if method == "PUT":
            usual = {name: value for name, value in usual.items() if name in some}
        for name in self.rng.sample(some, min(len(some), self.rng.randint(0, 2))):
            usual.setdefault(name, self.leaf(name))
        return usual

    def _usual(self, kind: str) -> dict[str, Any]:
        number = self.rng.randrange(1, 60000)
        match kind:
            case "network" | "router":
                return {"name": "n"}
            case "subnet":
                return {"network_id": self.id("network"), "cidr": f"10.{number % 250}.0.0/24", "ip_version": 4}
            case "port":
                return {"network_id": self.id("network"), "device_id": "vm", "binding:host_id": "n1"}
            case "flow_classifier":
                ports = {"source_port_range_min": number, "source_port_range_max": number + 1}
                return {"protocol": "tcp", "logical_source_port": self.id("port"), **ports}
            case "port_pair":
                ports = self.rng.choice((self.own, self.foreign)).get("port", ())
                if not ports or self.rng.random() < 0.5:
                    return {"ingress": self.id("port"), "egress": self.id("port")}
                place = self.rng.randrange(len(ports))  # two that were made together are a pair's
                return {"ingress": ports[place - 1], "egress": ports[place]}
            case "port_pair_group":
                return {"port_pairs": [self.id("port_pair")]}
            case "port_chain":
                return {
                    "port_pair_groups": [self.id("port_pair_group")],
                    "flow_classifiers": [self.id("flow_classifier")],
                }
        return {"port_chains": {self.id("port_chain"): [self.id("port_chain")]}}

    def leaf(self, name: str) -> Any:
        """A value for an attribute or a key; an id where the name asks for one, half of the time."""
        kind = name.removesuffix("_id").removesuffix("s")
        kind = "port" if kind in ("ingress", "egress", "logical_source_port", "logical_destination_port") else kind
        if kind in KINDS and self.rng.random() < 0.5:
            return self.rng.choice(
                (self.id(kind), [self.id(kind)], [self.id(kind), self.id(kind)], {self.id(kind): []})
            )
        inner = {
            "fixed_ips": [{"subnet_id": self.id("subnet"), "ip_address": self.rng.choice(LEAVES)}],
            "allocation_pools": [{"start": self.rng.choice(LEAVES), "end": "10.0.0.9"}],
            "routes": [{"destination": self.rng.choice(LEAVES), "nexthop": "10.0.0.1"}],
            "allowed_address_pairs": [{"ip_address": self.rng.choice(LEAVES)}],
            "service_function_parameters": {self.rng.choice(("weight", "correlation", "x")): self.rng.choice(LEAVES)},
            "port_pair_group_parameters": {
                "lb_fields": self.rng.choice(LEAVES),
                "ppg_n_tuple_mapping": {"ingress_n_tuple": {"source_port_range_min": self.rng.choice(LEAVES)}},
            },
            "chain_parameters": {self.rng.choice(("symmetric", "correlation", "x")): self.rng.choice(LEAVES)},
            "binding:profile": {"x": self.rng.choice(LEAVES)},
            "project_id": self.rng.choice(("red", "blue", "admin", "")),
        }
        return inner[name] if name in inner and self.rng.random() < 0.7 else self.rng.choice(LEAVES)

    def spoil(self, given: dict[str, Any], kind: Kind) -> None:
        for _ in range(self.rng.randint(1, 2)):
            match self.rng.randrange(5):
                case 0:
                    given[self.rng.choice(("x", "", "\ud800", "_", "id", "status", "name "))] = self.rng.choice(LEAVES)
                case 1 if given:
                    del given[self.rng.choice(list(given))]
                case _:
                    name = self.rng.choice(kind.attributes).name
                    given[name] = self.leaf(name)

    def text(self, body: Any) -> bytes:
        """JSON, or nearly so: with raw parts, and now and then a key twice."""
        text = json.dumps(body, ensure_ascii=self.rng.random() < 0.8)
        while (start := text.find('"\\u0000raw ')) >= 0:
            end, step = start + 1, 1
            while text[end] != '"' or step == 2:
                step = 2 if text[end] == "\\" and step == 1 else 1
                end += 1
            text = text[:start] + json.loads(text[start : end + 1]).removeprefix(_RAW) + text[end + 1 :]
        if self.rng.random() < 0.03 and text.startswith('{"'):
            text = text[:-1] + "," + text[1:]
        return text.encode("utf-8", "surrogatepass")
