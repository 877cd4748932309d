"""The resources of a Heat template, and what one may ask of another: its name, its properties, its attributes.

A property is resolved when it is first asked for, once; so the order of the resources does not matter, and a circle is
seen. What a property cannot be is told once, where it stands.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterator

import msgspec

from segue.intent.checks import first_host
from segue.intent.heat_addresses import Addresses
from segue.intent.heat_functions import Functions
from segue.intent.heat_given import Given
from segue.intent.heat_parameters import Parameters
from segue.intent.heat_types import Type
from segue.intent.heat_values import Budget, Reference, Told, at_of, need_text, walk
from segue.intent.problems import Bad, Findings, label, show, suggest
from segue.intent.text import Raw

_MISSING = object()
_BUSY = object()


class Entry(msgspec.Struct, frozen=True):
    """A resource as written. ``type`` is None when it is refused, ``there`` False when its condition is."""

    name: str
    type: Type | None
    properties: dict[str, Raw]
    there: bool = True


class Stack:
    def __init__(self, tree: dict[str, Raw], given: Given, findings: Findings) -> None:
        self.findings = findings
        self.budget = Budget()
        parameters = Parameters(tree.get("parameters"), given, findings, self.budget)
        conditions = tree.get("conditions")
        if conditions is not None and not isinstance(conditions, dict):
            findings.add((0, "conditions"), "", "conditions must be a mapping", "write NAME: {equals: [a, b]}")
        self.functions = Functions(parameters, conditions if isinstance(conditions, dict) else {}, self, self.budget)
        self.entries: dict[str, Entry] = {}
        self.addresses = Addresses(self)
        self._resolved: dict[tuple[str, str], Raw] = {}
        self._told: set[tuple[str, str]] = set()
        self._subnets: dict[str, str] | None = None

    def of(self, kind: str) -> Iterator[Entry]:
        """The resources of a type, by the name of what they become, in the order of the template."""
        return (entry for entry in self.entries.values() if entry.there and entry.type and entry.type.kind == kind)

    def subnets(self) -> dict[str, str]:
        """The resources that are subnets, by what they are called."""
        if self._subnets is None:
            self._subnets = {}
            for entry in self.of("subnet"):
                with contextlib.suppress(Bad, Told):
                    self._subnets[self.name(entry)] = entry.name
        return self._subnets

    def entry(self, name: str) -> Entry:
        """Raises Bad, or Told where the resource itself was refused."""
        entry = self.entries.get(name)
        if entry is None:
            raise Bad(f"refers to resource {show(name)}, which is not there", suggest(name, self.entries, "declare it"))
        if not entry.there:
            raise Bad(f"refers to resource {show(name)}, whose condition is false", "give both the same condition")
        if entry.type is None:
            raise Told
        return entry

    def property(self, resource: str, *names: str) -> Raw:
        """A property's value, None when it is not written; ``names`` are the ones it may have. Raises Told."""
        properties = self.entries[resource].properties
        name = next((name for name in names if name in properties), None)
        if name is None:
            return None
        key = (resource, name)
        if key in self._told:
            raise Told
        found = self._resolved.get(key, _MISSING)
        if found is _BUSY:
            raise Bad(f"needs {name} of resource {show(resource)}, which needs it in turn", "write one of them out")
        if found is not _MISSING:
            return found
        self._resolved[key] = _BUSY
        try:
            value = self.functions.value(properties[name])
        except (Bad, Told) as error:
            del self._resolved[key]
            self._told.add(key)
            if isinstance(error, Bad):
                path = at_of((resource, "properties", name))
                self.findings.add_bad(path, label("resource", resource), name, error)
            raise Told from None
        self._resolved[key] = value
        return value

    def name(self, entry: Entry) -> str:
        """What the object is called: the property ``name``, or else the resource's own. Raises Told."""
        if entry.type is None or "name" not in entry.type.known:
            return entry.name
        given = self.property(entry.name, "name")
        try:
            return need_text(given) if given is not None else entry.name
        except Bad:
            raise Told from None  # told when the resource is made

    def reference(self, resource: str) -> str:
        entry = self.entry(resource)
        made = Reference(self.name(entry))
        made.kind = entry.type.kind if entry.type else ""
        made.resource = resource
        return made

    def attribute(self, resource: str, name: str, path: list[Raw]) -> Raw:
        return walk(self._attribute(self.entry(resource), name), path, f"{name} of resource {show(resource)}")

    def _attribute(self, entry: Entry, name: str) -> Raw:
        kind = entry.type.kind if entry.type else ""
        if name == "name" and kind != "interface":
            return self.name(entry)
        if kind == "port" and name == "fixed_ips":
            return self._fixed_ips(entry)
        if name == "network_id" and kind in ("port", "subnet"):
            return self.property(entry.name, "network", "network_id")
        if kind == "subnet" and name == "gateway_ip":
            return self.gateway(entry.name)
        if entry.type is not None and name in entry.type.read:
            value = self.property(entry.name, name)
            if value is not None:
                return value
        raise Bad(f"asks for {show(name)} of resource {show(entry.name)}, which only a cloud knows", "write it out")

    def _fixed_ips(self, entry: Entry) -> list[Raw]:
        addresses = self.addresses.of(entry.name)
        return [{"ip_address": one.address, "subnet_id": one.subnet} for one in addresses]

    def gateway(self, subnet: str) -> Raw:
        """The gateway of a subnet: none where null or nothing is written, else as written, else the first address."""
        if "gateway_ip" in self.entries[subnet].properties:
            return self.property(subnet, "gateway_ip") or None
        try:
            network = ipaddress.ip_network(str(self.property(subnet, "cidr")))
        except ValueError:
            return None  # told when the subnet is made
        return first_host(str(network)) if network.num_addresses > 2 else None
