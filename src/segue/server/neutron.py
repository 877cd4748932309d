"""The networking API's objects, one with what is declared.

A request becomes changes by the rules (``segue.neutron``), and those become declared objects and records: what the API
knows of an object, under ``neutron/KIND/ID`` as JSON. Both go into the store in one transaction, by the conductor; so
a request is there whole after a crash, or not at all. Whatever the conductor refuses is undone here too.

The state that requests are judged by follows from records and declared objects together, also from what ``segue apply``
and ``segue delete`` do: deleting a declared object deletes its record with it. Objects that cannot be declared yet are
records alone; whenever something changes, they are tried again.

One thread, no locks, as the conductor.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain as chained
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from segue.compile.views import Problem
from segue.model.intent import Chain, Instance, Object, Port, Ref
from segue.model.path import NO_COPIES
from segue.neutron import quota, rules
from segue.neutron.caller import Caller
from segue.neutron.errors import Fault
from segue.neutron.names import KIND_OF, LONE, NATIVE, Names, id_of
from segue.neutron.seen import Sight
from segue.neutron.state import Changes, Resource, State, require
from segue.neutron.translate import Key, Translation, Wanted, precedence, touched
from segue.server import service_refusals
from segue.server.conductor import Beside, Conductor, Outcome, Overlap, Refused
from segue.server.declared import After
from segue.server.numbered import Numbered
from segue.server.order import Order
from segue.server.status import chain_state
from segue.store.base import Store, StoreError

log = logging.getLogger(__name__)

ROOM = "neutron/"
AT_ONCE = 50
"""Chains whose status is computed before others may run."""
_WAITING = ("port_pair", "port_chain", "service_graph")
_ORDER = {kind: position for position, kind in enumerate(NATIVE)}

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Neutron:
    """``state`` is to be read only."""

    def __init__(self, store: Store, conductor: Conductor) -> None:
        self._conductor = conductor
        self._records: dict[Key, Resource] = {}
        for key, item in store.snapshot(ROOM).items.items():
            kind, _, id = key.removeprefix(ROOM).partition("/")
            self._records[kind, unquote(id)] = _decode(item.value)
        self._names = Names()
        self._order = Order(store)
        self._order.before(self._records)
        self._order.before(_key_of(ref) for ref in self._objects if ref[0] in KIND_OF)
        self.state = State(self._records, self._place)
        self._numbered = Numbered(store)
        numbered = {key: None for ref, value in self._objects.items() for key in self._to_number(ref, value)}
        self._numbered.before(sorted(numbered, key=self._order.of), self.state)
        self._sight = Sight(self.state, lambda kind, id: self._numbered.needed(kind, id, self.state))
        self._own: Wanted | None = None
        """What a request of the API is just declaring."""
        self._own_changed: list[Ref] = []
        self._tried: list[Ref] = []
        """What others were declaring last; it may have been refused."""
        self._refused: dict[Key, str] = {}
        """Why objects that are records alone were not taken when they were last tried."""
        self._waiting = {key for key in self._records if key[0] in _WAITING}
        """Of these kinds, those that are records alone. Nothing else can be declared one day without a request."""
        self._new_nodes = False
        self._settling = False
        self._sync(self._objects, {})
        self._lone_groups(_groups(*(self._records[key] for key in self._waiting)))
        conductor.companion = self

    @property
    def _objects(self) -> Mapping[Ref, Object]:
        return self._conductor.declared.objects

    # -- requests ------------------------------------------------------------------------------------------------

    def show(self, caller: Caller, kind: str, id: str) -> Resource:
        """Raises Fault 404."""
        return self.with_status(kind, require(self.state, caller, kind, id))

    def create(self, caller: Caller, kind: str, several: Iterable[Mapping[str, Any]]) -> list[Resource]:
        """All of them or none. Raises Fault or StoreError, as everything here that changes something."""
        made = [(str(uuid.uuid4()), dict(values)) for values in several]
        self._change(rules.create(self.state, caller, kind, values, id) for id, values in made)
        return [self._shown(kind, id) for id, _ in made]

    def update(self, caller: Caller, kind: str, id: str, values: Mapping[str, Any]) -> Resource:
        self._change([rules.update(self.state, caller, kind, id, dict(values))])
        return self._shown(kind, id)

    def delete(self, caller: Caller, kind: str, id: str) -> None:
        self._change([rules.delete(self.state, caller, kind, id)])

    def add_router_interface(self, caller: Caller, id: str, body: Mapping[str, Any]) -> Resource:
        changes, answer = rules.add_router_interface(self.state, caller, id, dict(body), str(uuid.uuid4()))
        self._change([changes])
        return answer

    def remove_router_interface(self, caller: Caller, id: str, body: Mapping[str, Any]) -> Resource:
        changes, answer = rules.remove_router_interface(self.state, caller, id, dict(body))
        self._change([changes])
        return answer

    def quotas(self) -> list[tuple[str, dict[str, int]]]:
        """The projects that have limits of their own, with all their limits."""
        projects = sorted((key for key in self._records if key[0] == quota.KIND), key=self._order.of)
        return [(id, quota.limits(self.state, id)) for _, id in projects]

    def set_quota(self, project: str, values: Mapping[str, Any]) -> None:
        self._change([quota.update(self.state, project, dict(values))])

    def reset_quota(self, project: str) -> None:
        self._change([quota.reset(self.state, project)])

    def with_status(self, kind: str, resource: Resource) -> Resource:
        """As clients see it: a chain says how it is."""
        if kind != "port_chain":
            return resource
        status, reasons = self.status_of(resource["id"])
        return {**resource, "status": status, "status_reason": reasons}

    def status_of(self, chain: str) -> tuple[str, list[str]]:
        """``ACTIVE``, ``BUILD`` (on its way to the nodes) or ``DOWN``, and the reasons for the latter two.

        ``DOWN``: nothing goes through it, and it takes more than time; what is changed carries on until the change is
        there, and is ``BUILD`` so long. Of what is ``ACTIVE`` there may be remarks instead of reasons.
        """
        name = self._names.name("chain", chain)
        status: tuple[str, list[str]] | None = self._conductor.remembered.get(name, "status")
        if status is None:
            status = self._compute(chain, name)
            self._conductor.remembered.keep(name, "status", status, self._conductor.awaited(name))
        return status

    def id_of_chain(self, name: str) -> str:
        """By the declared name. What is an id already is its own."""
        return id_of("chain", name)

    def name_of_chain(self, id: str) -> str:
        """The declared name, which it would have where it is not declared yet."""
        return self._names.name("chain", id)

    async def catch_up(self, chains: Iterable[str]) -> None:
        """Compute the status of these, a few at a time. What changes meanwhile is computed when it is asked for."""
        computed = 0
        for chain in chains:
            name = self._names.name("chain", chain)
            if self._conductor.remembered.get(name, "status") is not None or self._is_gone(chain):
                continue
            self.status_of(chain)
            computed += 1
            if computed % AT_ONCE == 0:
                await asyncio.sleep(0)

    def _is_gone(self, chain: str) -> bool:
        return self.state.get("port_chain", chain) is None

    def _compute(self, chain: str, name: str) -> tuple[str, list[str]]:
        """What it is made of, ``_forget`` and the conductor know, and forget the result when that changes."""
        if ("chain", name) not in self._objects:
            refused = self._refused.get(("port_chain", chain))
            reasons = self._translation().lacks("port_chain", chain) or ([refused] if refused else [])
            return "DOWN", list(dict.fromkeys(reasons))
        waiting = self._conductor.waiting(Outcome({}, {}, (name,), 0))
        rollouts = self._conductor.rollouts
        if waiting:
            carried = any(path.phase == "active" for path in rollouts.paths_of(name))
            lacking = [reason for reason in rollouts.lacking(name, "prepare") if not reason.startswith(NO_COPIES)]
            return ("DOWN" if lacking and not carried else "BUILD"), waiting
        state, reasons = chain_state(self._conductor, name)
        if state != "ready":
            return "DOWN", reasons
        return "ACTIVE", list(self._translation().remarks(chain))

    def _shown(self, kind: str, id: str) -> Resource:
        resource = self.state.get(kind, id)
        assert resource is not None
        return self.with_status(kind, resource)

    # -- changes by the API --------------------------------------------------------------------------------------

    def _translation(self) -> Translation:
        return Translation(self.state, self._objects, self._names, self._conductor.locations)

    def _place(self, kind: str, id: str) -> float:
        """A group that an instance stands for comes with it."""
        lone = self._names.lone(id) if kind == "port_pair_group" else None
        return self._order.of((kind, id) if lone is None else ("port_pair", id_of("instance", lone)))

    def _drop(self) -> None:
        self._order.drop()
        self._numbered.drop()

    def _keep(self) -> None:
        self._order.keep()
        self._numbered.keep()

    def _to_number(self, ref: Ref, value: Object | None, after: After | None = None) -> Iterator[Key]:
        """What a declared object brings along that has a number. A chain's step that is no group is an instance's."""
        if value is not None and ref[0] in ("chain", "group"):
            yield _key_of(ref)
        if isinstance(value, Chain):
            changed = after or {}
            for name in value.groups:
                if changed.get(("group", name), self._objects.get(("group", name))) is None:
                    yield _key_of((LONE, name))

    def _forget(self, keys: Iterable[Key]) -> None:
        """The status of chains in which these objects are, or have been."""
        for kind, id in touched(self.state, keys):
            if kind == "port_chain":
                self._conductor.remembered.forget(self._names.name("chain", id))

    def _change(self, steps: Iterable[Changes]) -> None:
        """Take each step as it comes, for the next one is judged by it; then all of them into the store, or none."""
        self._drop()
        translation = self._translation()
        undo: Changes = {}
        changes: Changes = {}
        try:
            for step in steps:
                translation.about(step)
                self._forget(step)
                undo = {key: self.state.get(*key) for key in step} | undo
                self.state.apply(step)
                changes |= step
            wanted = translation.wanted()
            made = [key for key, value in changes.items() if value is not None]
            order = self._order.change(made, changes.keys() - made)
            self._declare(wanted, order | {_key(*key): _text(value) for key, value in changes.items()})
        except BaseException:
            self._drop()
            self.state.apply(undo)
            raise
        self._keep()
        self._forget(changes)
        for key, value in changes.items():
            self._refused.pop(key, None)
            if value is None:
                self._records.pop(key, None)
                self._waiting.discard(key)
            else:
                self._records[key] = value
                if key[0] in _WAITING and self._names.ref(*key) not in self._objects:
                    self._waiting.add(key)
        self._sync(self._own_changed, wanted, undo)
        if self._refused:
            self._settle_soon()

    def _declare(self, wanted: Wanted, beside: Beside) -> None:
        """``wanted`` gets precedences where chains of the API overlap in what Neutron's rules do not compare."""
        declared = self._conductor.declared
        for ref in [ref for ref, value in wanted.items() if value is not None]:
            # What was declared inside an object goes with it, unless it is said again.
            for inner in declared.owned(ref):
                wanted.setdefault(inner, declared.objects[inner])
        while True:
            self._own, self._own_changed = wanted, []
            try:
                self._conductor.apply(wanted, beside=beside)
            except Refused as refused:
                apart = self._apart(refused, wanted)
                if not apart:
                    text = service_refusals.told(refused.problems, declared.objects, wanted)
                    raise Fault(409, "SegueRefused", text) from None
                wanted.update(apart)
            else:
                return
            finally:
                self._own = None

    def _apart(self, refused: Refused, wanted: Wanted) -> Wanted:
        """The overlapping chains with precedences of their own; nothing if that is not what is wrong, or not ours."""
        apart: Wanted = {}
        for problem in refused.problems:
            if not isinstance(problem, Overlap):
                return {}
            for name in (problem.name, problem.other):
                ref = ("chain", name)
                chain, record = wanted.get(ref, self._objects.get(ref)), self.state.get("port_chain", name)
                declared = self._numbered.of("port_chain", name)  # what the API made has its number in its record
                if not isinstance(chain, Chain) or record is None or declared or not record.get("chain_id"):
                    return {}
                own = precedence(record["chain_id"])
                if chain.precedence != own:
                    apart[ref] = msgspec.structs.replace(chain, precedence=own)
        return apart

    # -- changes by others ---------------------------------------------------------------------------------------

    def beside(self, after: After) -> Beside:
        """The records of what is deleted go with it, unless something that is a record alone needs it."""
        if self._own is None:
            self._drop()
            self._tried = list(after)
        ours = [(ref, value) for ref, value in after.items() if ref[0] in KIND_OF]
        going = [_key_of(ref) for ref, value in ours if value is None and ref not in (self._own or ())]
        gone = self._order.change([_key_of(ref) for ref, value in ours if value is not None], going)
        numbered = {key: None for ref, value in ours for key in self._to_number(ref, value, after)}
        going = [_key_of((LONE if ref[0] == "instance" else ref[0], ref[1])) for ref, value in ours if value is None]
        gone |= self._numbered.change(numbered, going, self.state)
        problems = []
        for ref, value in after.items():
            if value is not None or ref[0] not in KIND_OF or ref in (self._own or ()):
                continue
            key = _key_of(ref)
            for kind, id in self._users(*key):
                if kind == "port_pair_group" and self._names.lone(id) is not None:
                    continue
                if kind not in NATIVE or self._names.ref(kind, id) not in self._objects:
                    message = f"{kind.replace('_', ' ')} {id} of the networking API uses it; delete that first"
                    problems.append(Problem(*ref, "", message))
            if key in self._records:
                gone[_key(*key)] = None
        if problems:
            raise Refused(problems)
        return gone

    def changed(self, refs: Iterable[Ref]) -> None:
        refs = list(refs)
        if self._own is not None:
            self._own_changed = refs
        else:
            if self._tried == refs:
                self._keep()
            self._new_nodes = self._new_nodes or any(kind == "node" for kind, _ in refs)
            self._sync(refs, {})
            self._settle_soon()

    def _settle_soon(self) -> None:
        if not self._settling and (self._waiting or self._new_nodes):
            self._settling = True
            asyncio.get_running_loop().call_soon(self._settle)

    def _users(self, kind: str, id: str) -> Iterator[Key]:
        state = self.state
        users: dict[str, Callable[[], Iterable[tuple[str, str | None]]]] = {
            "network": lambda: chained(
                (("port", each) for each in state.ports_of_network(id)),
                (("subnet", each) for each in state.subnets_of_network(id)),
            ),
            "subnet": lambda: (("port", each) for each in self._ports_in(id)),
            "router": lambda: (("port", port["id"]) for port in state.interfaces_of_router(id)),
            "port": lambda: chained(
                (("port_pair", each) for each in state.pairs_of_port(id)),
                (("flow_classifier", each) for each in state.classifiers_of_port(id)),
            ),
            "flow_classifier": lambda: [("port_chain", state.chain_of_classifier(id))],
            "port_pair": lambda: chained(
                [("port_pair_group", state.group_of_pair(id))],
                (("port_chain", each) for each in state.chains_of_group(self._lone(id))),
            ),
            "port_pair_group": lambda: (("port_chain", each) for each in state.chains_of_group(id)),
            "port_chain": lambda: [("service_graph", state.graph_of_chain(id))],
            "service_graph": tuple,
        }
        return ((user, each) for user, each in users[kind]() if each is not None)

    def _lone(self, pair: str) -> str:
        """The group that a port pair stands for, where it does."""
        return id_of(LONE, self._names.name("instance", pair))

    def _ports_in(self, subnet: str) -> Iterator[str]:
        known = self.state.get("subnet", subnet)
        for id in self.state.ports_of_network(known["network_id"]) if known else ():
            port = self.state.get("port", id)
            if port is not None and any(fixed["subnet_id"] == subnet for fixed in port["fixed_ips"]):
                yield id

    def _sync(self, refs: Iterable[Ref], own: Wanted, before: Changes | None = None) -> None:
        """The state follows what is declared. ``own``: what the API itself asked for; ``before``: what it changed."""
        mine = sorted({ref for ref in refs if ref[0] in KIND_OF}, key=lambda ref: _ORDER[KIND_OF[ref[0]]])
        networks = set()
        lone = _groups(*(before or {}).values())
        keys = [_key_of(ref) for ref in mine]
        self._forget(keys)
        for ref in mine:
            kind, id = KIND_OF[ref[0]], self._names.know(ref)
            old, value = self.state.get(kind, id), self._objects.get(ref)
            earlier = (before or {}).get((kind, id), old)
            self._refused.pop((kind, id), None)
            self._waiting.discard((kind, id))
            if value is not None:
                self._follow(kind, id, old, value)
            elif ref not in own or (kind, id) not in self._records:
                self._records.pop((kind, id), None)
                self.state.apply({(kind, id): None})
            elif kind in _WAITING:
                self._waiting.add((kind, id))
            new = self.state.get(kind, id)
            if kind == "subnet":
                networks |= {subnet["network_id"] for subnet in (earlier, new) if subnet is not None}
            elif kind == "network":
                networks.add(id)
            elif kind == "port_pair":
                lone.append(self._names.know((LONE, ref[1])))
            elif kind == "port_chain":
                lone += _groups(earlier) + _groups(new)
        self._lone_groups(dict.fromkeys(lone))
        for id in networks:
            network, subnets = self.state.get("network", id), list(self.state.subnets_of_network(id))
            if network is not None and network["subnets"] != subnets:
                self.state.apply({("network", id): {**network, "subnets": subnets}})
        self._forget(keys)

    def _follow(self, kind: str, id: str, old: Resource | None, value: Object) -> None:
        """``value`` is declared; ``old`` is what the API has shown of it."""
        record = old if (kind, id) in self._records else None
        expected = self._translation().fields(kind, id) if record is not None else {}
        new = self._sight.shown(kind, value, record, expected)
        if new != old:
            self.state.apply({(kind, id): new})

    def _lone_groups(self, ids: Iterable[str]) -> None:
        """A chain may name an instance where the API knows groups only: such a group is there while a chain has it."""
        for id in ids:
            name = self._names.lone(id)
            if name is None:
                continue
            instance = self._objects.get(("instance", name))
            group = None
            if isinstance(instance, Instance) and any(True for _ in self.state.chains_of_group(id)):
                group = self._sight.lone(instance)
            if self.state.get("port_pair_group", id) != group:
                self.state.apply({("port_pair_group", id): group})
                self._forget([("port_pair_group", id)])

    # -- what could not be declared ------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Declare what has become possible: a chain whose functions have been found, a port whose node is known now."""
        self._settling = False
        if self._new_nodes:
            self._new_nodes = False
            self._seat()
        translation = self._translation()
        translation.about(self._waiting)
        wanted = translation.wanted()
        self._try({ref: value for ref, value in wanted.items() if ref[0] not in ("chain", "graph")})
        for ref, value in wanted.items():
            if ref[0] in ("chain", "graph"):
                self._try({ref: value})

    def _seat(self) -> None:
        """Ports go to their hosts that have become nodes: all, or those of each device for which it can be. The others
        are shown where they are: nowhere."""
        placed = self._placed()
        if self._try({ref: value for ports in placed.values() for ref, value in ports.items()}):
            return
        for ports in placed.values():
            if not self._try(ports):
                self._sync(ports, {})

    def _placed(self) -> dict[str, Wanted]:
        """By device: ports whose host has been declared as a node since."""
        found: dict[str, Wanted] = {}
        for (kind, id), record in self._records.items():
            host = record.get("binding:host_id") if kind == "port" else None
            if host and ("node", host) in self._objects:
                ref = self._names.ref(kind, id)
                port = self._objects.get(ref)
                if isinstance(port, Port) and port.node is None:
                    found.setdefault(record.get("device_id") or id, {})[ref] = msgspec.structs.replace(port, node=host)
        return found

    def _try(self, wanted: Wanted) -> bool:
        if not wanted:
            return True
        self._drop()
        try:
            self._declare(wanted, {})
        except Fault as fault:
            refused = [_key_of(ref) for ref in wanted if ref not in self._objects]
            self._refused.update((key, fault.message) for key in refused)
            self._forget(refused)
        except StoreError as error:
            log.warning("what has become possible cannot be written, and is tried at the next change: %s", error)
            self._new_nodes = True
        else:
            self._keep()
            self._sync(self._own_changed, wanted)
            return True
        return False


def _groups(*resources: Resource | None) -> list[str]:
    """The groups of those that are chains."""
    return [id for each in resources if each is not None for id in each.get("port_pair_groups", ())]


def _key_of(ref: Ref) -> Key:
    return "port_pair_group" if ref[0] == LONE else KIND_OF[ref[0]], id_of(*ref)


def _key(kind: str, id: str) -> str:
    return f"{ROOM}{kind}/{quote(id, safe='')}"


def _text(value: Resource | None) -> bytes | None:
    return None if value is None else _encode(value)
