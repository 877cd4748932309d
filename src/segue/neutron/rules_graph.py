"""Service graphs: which chains follow which, by the classifiers of those that follow.

A packet that leaves a chain's last group is classified anew, so the instances there and in the first group of what
follows must keep the encapsulation, all chains have one, the classifiers of one branching point do not overlap, and
there is no way around in a circle. A source without destinations says nothing and is left out.
"""

from __future__ import annotations

from segue.neutron import quota
from segue.neutron.caller import Caller
from segue.neutron.errors import Fault, quoted
from segue.neutron.overlap import Overlaps, pattern
from segue.neutron.state import Changes, Resource, State, chains_of_graph, require

PortChains = dict[str, list[str]]


def create(state: State, caller: Caller, values: Resource, new_id: str) -> Changes:
    quota.check(state, values["project_id"], "service_graph")
    return {("service_graph", new_id): _checked(state, caller, {**values, "id": new_id})}


def update(state: State, caller: Caller, id: str, values: Resource) -> Changes:
    graph = {**require(state, caller, "service_graph", id), **values}
    return {("service_graph", id): _checked(state, caller, graph) if "port_chains" in values else graph}


def delete(state: State, caller: Caller, id: str) -> Changes:
    require(state, caller, "service_graph", id)
    return {("service_graph", id): None}


def _checked(state: State, caller: Caller, graph: Resource) -> Resource:
    port_chains: PortChains = graph["port_chains"]
    chains = {id: require(state, caller, "port_chain", id) for id in chains_of_graph(port_chains)}
    if any(state.graph_of_chain(id) not in (None, graph["id"]) for id in chains):
        text = f"Some of the Port Chain(s): {quoted(list(chains), 400)}, are already in use by a Service Graph."
        raise Fault(409, "ServiceGraphInvalidPortChains", text)
    encapsulation: str | None = None
    for source, destinations in port_chains.items():
        _check_keeps_header(state, chains[source], chains[source]["port_pair_groups"][-1])
        encapsulation = _check_encapsulation(chains[source], encapsulation)
        _check_branches(state, chains, destinations, encapsulation)
    _check_no_loop(port_chains)
    return {**graph, "port_chains": {source: list(ends) for source, ends in port_chains.items() if ends}}


def _check_branches(state: State, chains: dict[str, Resource], destinations: list[str], encapsulation: str) -> None:
    """One branching point: its destinations are told apart by their classifiers alone."""
    seen: set[str] = set()
    classifiers = Overlaps(logical=False)
    for id in destinations:
        if id in seen:
            text = f"Port Chain {id} is duplicated on one of the branching points being created."
            raise Fault(400, "ServiceGraphPortChainInConflict", text)
        seen.add(id)
        _check_keeps_header(state, chains[id], chains[id]["port_pair_groups"][0])
        _check_encapsulation(chains[id], encapsulation)
        for classifier in chains[id]["flow_classifiers"]:
            known = state.get("flow_classifier", classifier)
            if known is None:
                continue
            other = next(classifiers.find(pattern(known)), None)
            if other is not None:
                text = f"conflicts with Flow Classifier {classifier} on one of the branching points being created."
                raise Fault(400, "ServiceGraphFlowClassifierInConflict", f"Flow Classifier {other} {text}")
            classifiers.add(classifier, pattern(known))


def _check_keeps_header(state: State, chain: Resource, group_id: str, changed: Resource | None = None) -> None:
    """The pairs of a group at a branching point read and write the chain's encapsulation.

    ``changed`` is the group as it will be, where it is about to change.
    """
    group = changed if changed is not None and changed["id"] == group_id else state.get("port_pair_group", group_id)
    for id in group["port_pairs"] if group is not None else ():
        pair = state.get("port_pair", id) or {"service_function_parameters": {}}
        if pair["service_function_parameters"].get("correlation") != chain["chain_parameters"]["correlation"]:
            raise Fault(
                400,
                "ServiceGraphImpossibleBranching",
                "Service Graphs require source (branching) and destination port pair groups (their PPs) to have "
                "correlation enabled.",
            )


def check_changed_group(state: State, graph: Resource, chain: Resource, group: Resource) -> None:
    """That a graph stays possible when a group of one of its chains gets other pairs."""
    port_chains: PortChains = graph["port_chains"]
    if chain["id"] in port_chains:
        _check_keeps_header(state, chain, chain["port_pair_groups"][-1], group)
    if any(chain["id"] in ends for ends in port_chains.values()):
        _check_keeps_header(state, chain, chain["port_pair_groups"][0], group)


def _check_encapsulation(chain: Resource, encapsulation: str | None) -> str:
    own: str = chain["chain_parameters"]["correlation"]
    if encapsulation not in (None, own):
        text = "Service Graph may only connect port-chains sharing the same correlation."
        raise Fault(400, "ServiceGraphInconsistentEncapsulation", text)
    return own


def _check_no_loop(port_chains: PortChains) -> None:
    """Takes away what nothing leads to, until nothing is left; what cannot be taken away is in or behind a loop."""
    arrivals = dict.fromkeys(chains_of_graph(port_chains), 0)
    for ends in port_chains.values():
        for end in ends:
            arrivals[end] += 1
    ready = [chain for chain, count in arrivals.items() if count == 0]
    taken = 0
    while ready:
        taken += 1
        for end in port_chains.get(ready.pop(), ()):
            arrivals[end] -= 1
            if arrivals[end] == 0:
                ready.append(end)
    if taken < len(arrivals):
        text = "Service Graph defined contains at least one port chain loop."
        raise Fault(400, "ServiceGraphLoopDetected", text)
