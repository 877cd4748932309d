"""Port chains, and what their groups and classifiers must be like.

The order of the checks is networking-sfc's: taps, the same groups as another chain, correlations, classifiers in use,
classifiers that overlap another chain's, and last the chain id. Unlike there, correlations are checked on updates too.
"""

from __future__ import annotations

from collections.abc import Iterable

from segue.neutron import quota, rules_graph
from segue.neutron.caller import Caller
from segue.neutron.errors import Fault, quoted
from segue.neutron.overlap import pattern
from segue.neutron.state import Changes, Resource, State, require, visible

MAX_CHAIN_ID = 65535
_LISTED = 400  # characters of a list of ids in a message


def create(state: State, caller: Caller, values: Resource, new_id: str) -> Changes:
    quota.check(state, values["project_id"], "port_chain")
    chain = {**values, "id": new_id}
    _check_groups(state, caller, chain)
    _check_classifiers(state, caller, chain)
    chain["chain_id"] = _chain_id(state, caller, values.get("chain_id") or 0, new_id)
    return {("port_chain", new_id): chain}


def update(state: State, caller: Caller, id: str, values: Resource) -> Changes:
    chain = {**require(state, caller, "port_chain", id), **values}
    changes_path = "port_pair_groups" in values or "flow_classifiers" in values
    if changes_path and state.graph_of_chain(id) is not None:
        raise _in_graph(id)
    if "port_pair_groups" in values:
        _check_groups(state, caller, chain)
    if "flow_classifiers" in values:
        _check_classifiers(state, caller, chain)
    return {("port_chain", id): chain}


def delete(state: State, caller: Caller, id: str) -> Changes:
    require(state, caller, "port_chain", id)
    if state.graph_of_chain(id) is not None:
        raise _in_graph(id)
    return {("port_chain", id): None}


def _in_graph(id: str) -> Fault:
    return Fault(409, "ServiceGraphPortChainInUse", f"Port Chain {id} in use.")


def correlation(pair: Resource) -> str | None:
    """What a pair reads and writes itself. Upstream can have stored parameters without this key."""
    found: str | None = pair["service_function_parameters"].get("correlation")
    return found


def _check_groups(state: State, caller: Caller, chain: Resource) -> None:
    ids = chain["port_pair_groups"]
    if not ids:
        raise Fault(400, "PortPairGroupNotSpecified", "Port Pair Group is not specified in Port Chain.")
    groups = []
    for id in ids:
        groups.append(require(state, caller, "port_pair_group", id))
        if len(groups) > 1 and groups[-1]["tap_enabled"] and groups[-2]["tap_enabled"]:
            text = "Consecutive Tap PPG in port-chain is not supported now."
            raise Fault(400, "ConsecutiveTapPPGNotSupported", text)
    for other in state.chains_of_group(ids[0]):
        known = state.get("port_chain", other)
        if other != chain["id"] and known is not None and known["port_pair_groups"] == ids and visible(caller, known):
            text = f"Port Pair Group(s) {quoted(ids, _LISTED)} in use by Port Chain {other}."
            raise Fault(409, "InvalidPortPairGroups", text)
    for group in groups:
        check_correlations(state, chain, group)


def check_correlations(state: State, chain: Resource, group: Resource) -> None:
    """The pairs of a group that know an encapsulation know the chain's."""
    for pair in _pairs(state, group):
        if correlation(pair) not in (None, chain["chain_parameters"]["correlation"]):
            text = (
                f"Port Chain attempted creation included a Port Pair Group ({group['id']}) with a different protocol "
                "used as correlation type."
            )
            raise Fault(400, "PortChainInconsistentCorrelations", text)


def _pairs(state: State, group: Resource) -> Iterable[Resource]:
    return (pair for id in group["port_pairs"] if (pair := state.get("port_pair", id)) is not None)


def check_changed_group(state: State, chain_id: str, group: Resource) -> None:
    """That a chain may go on with a group that gets other pairs, and the service graph that the chain is in."""
    chain = state.get("port_chain", chain_id)
    if chain is None:
        return
    check_correlations(state, chain, group)
    graph = state.get("service_graph", state.graph_of_chain(chain_id) or "")
    if graph is not None:
        rules_graph.check_changed_group(state, graph, chain, group)


def _check_classifiers(state: State, caller: Caller, chain: Resource) -> None:
    ids = chain["flow_classifiers"]
    classifiers = [require(state, caller, "flow_classifier", id) for id in ids]
    for id in ids:
        if state.chain_of_classifier(id) not in (None, chain["id"]):
            raise Fault(409, "FlowClassifierInUse", f"Flow Classifier {id} in use.")
    seen = set()
    for classifier in classifiers:
        matched = pattern(classifier)
        basic = (matched.ethertype, matched.protocol, matched.ranges)
        if basic in seen:  # many may differ by their logical ports alone, which do not count here
            continue
        seen.add(basic)
        for other in state.chained.find(matched):
            owner = state.get("port_chain", state.chain_of_classifier(other) or "")
            if owner is not None and owner["id"] != chain["id"] and visible(caller, owner):
                text = f"conflicts with Flow Classifier {other} in port chain {owner['id']}."
                raise Fault(400, "PortChainFlowClassifierInConflict", f"Flow Classifier {classifier['id']} {text}")


def _chain_id(state: State, caller: Caller, asked: int, chain: str) -> int:
    """The number that is asked for, or the lowest free one for 0."""
    if not asked:
        free = state.chain_ids.lowest_free(1, MAX_CHAIN_ID)
        if free is None:
            raise Fault(400, "PortChainUnavailableChainId", f"Port Chain {chain} no available chain id.")
        return free
    owner = state.chain_ids.owner(asked)
    if owner is not None:
        known = state.get("port_chain", owner)
        mine = known is not None and visible(caller, known)
        where = f"port chain {owner}" if mine else "another port chain"  # a foreign id is none of the caller's business
        raise Fault(400, "PortChainChainIdInConflict", f"Chain id {asked} conflicts with Chain id in {where}.")
    return asked
