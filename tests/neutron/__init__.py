"""A world of objects to test the rules on: it does what the server does, without store, data plane or HTTP."""

from __future__ import annotations

import contextlib
import copy
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from segue.neutron import rules
from segue.neutron.attributes import KINDS, OMITTED, REQUIRED
from segue.neutron.caller import Caller
from segue.neutron.errors import Fault
from segue.neutron.state import Changes, Resource, State

ONE, OTHER, ADMIN = Caller("one"), Caller("other"), Caller("operators", admin=True)


def id_of(number: int) -> str:
    return str(uuid.UUID(int=number + (4 << 76) + (8 << 60)))


def complete(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    """``given``, with the defaults of what it leaves out, as a checked body has it."""
    defaults = (attribute for attribute in KINDS[kind].attributes if attribute.post)
    return {a.name: a.initial() for a in defaults if a.default not in (OMITTED, REQUIRED)} | given


class World:
    def __init__(self) -> None:
        self.state = State()
        self.made = 0

    def new_id(self) -> str:
        self.made += 1
        return id_of(self.made)

    def apply(self, changes: Changes) -> None:
        """As the server does; that the rules changed nothing themselves is checked by ``unchanged``."""
        self.state.apply(changes)

    def create(self, kind: str, caller: Caller = ONE, **given: Any) -> Resource:
        id = self.new_id()
        self.apply(rules.create(self.state, caller, kind, complete(kind, given), id))
        return self.show(kind, id)

    def update(self, kind: str, id: str, caller: Caller = ONE, **values: Any) -> Resource:
        self.apply(rules.update(self.state, caller, kind, id, values))
        return self.show(kind, id)

    def delete(self, kind: str, id: str, caller: Caller = ONE) -> None:
        self.apply(rules.delete(self.state, caller, kind, id))

    def connect(self, router: str, caller: Caller = ONE, **body: Any) -> Resource:
        changes, answer = rules.add_router_interface(self.state, caller, router, body, self.new_id())
        self.apply(changes)
        return answer

    def disconnect(self, router: str, caller: Caller = ONE, **body: Any) -> Resource:
        changes, answer = rules.remove_router_interface(self.state, caller, router, body)
        self.apply(changes)
        return answer

    def show(self, kind: str, id: str) -> Resource:
        resource = self.state.get(kind, id)
        assert resource is not None
        return resource

    def has(self, kind: str, id: str) -> bool:
        return self.state.get(kind, id) is not None

    # What chains are made of

    def network(self, cidr: str = "10.0.0.0/24", caller: Caller = ONE, **given: Any) -> tuple[str, str]:
        network = self.create("network", caller)["id"]
        version = 6 if ":" in cidr else 4
        subnet = self.create("subnet", caller, network_id=network, cidr=cidr, ip_version=version, **given)
        return network, subnet["id"]

    def port(self, network: str, caller: Caller = ONE, **given: Any) -> str:
        id: str = self.create("port", caller, network_id=network, **{"device_id": "vm", **given})["id"]
        return id

    def pair(self, network: str, correlation: str | None = None, caller: Caller = ONE) -> str:
        port = self.port(network, caller)
        parameters = {"correlation": correlation, "weight": 1}
        given = {"ingress": port, "egress": port, "service_function_parameters": parameters}
        id: str = self.create("port_pair", caller, **given)["id"]
        return id

    def group(self, *pairs: str, caller: Caller = ONE, **given: Any) -> str:
        id: str = self.create("port_pair_group", caller, port_pairs=list(pairs), **given)["id"]
        return id

    def chain(self, *groups: str, classifiers: tuple[str, ...] = (), caller: Caller = ONE, **given: Any) -> str:
        values = {"port_pair_groups": list(groups), "flow_classifiers": list(classifiers), **given}
        id: str = self.create("port_chain", caller, **values)["id"]
        return id

    def classifier(self, caller: Caller = ONE, **given: Any) -> str:
        id: str = self.create("flow_classifier", caller, **given)["id"]
        return id


@contextlib.contextmanager
def refused(status: int, type: str, text: str | None = None) -> Iterator[None]:
    with pytest.raises(Fault, match=None if text is None else re.escape(text)) as caught:
        yield
    assert (caught.value.status, caught.value.type) == (status, type)


@contextlib.contextmanager
def unchanged(state: State) -> Iterator[None]:
    """Nothing in the state is another value afterwards, in its resources or in its indexes."""
    before, indexes = copy.deepcopy(state.resources()), copy.deepcopy(state.indexes())
    yield
    assert state.resources() == before
    assert state.indexes() == indexes
