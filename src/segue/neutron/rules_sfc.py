"""Flow classifiers, port pairs and port pair groups; chains are in ``rules_chains``.

The checks come in networking-sfc's order, with its error types, statuses and texts. Two of its defects are mended
here: a port that a pair or a classifier uses stays (``rules_ports``), and a group that is in chains or in a service
graph cannot get pairs whose correlation does not fit them.
"""

from __future__ import annotations

from segue.model.spread import refusal, sets
from segue.neutron import quota, rules_chains
from segue.neutron.caller import Caller
from segue.neutron.errors import Fault
from segue.neutron.overlap import pattern
from segue.neutron.state import Changes, Resource, State, require, visible


def create(state: State, caller: Caller, kind: str, values: Resource, new_id: str) -> Changes:
    if kind == "port_chain":
        return rules_chains.create(state, caller, values, new_id)
    quota.check(state, values["project_id"], kind)
    resource = {**values, "id": new_id}
    if kind == "flow_classifier":
        _check_classifier(state, caller, resource)
    elif kind == "port_pair":
        _check_pair(state, caller, resource)
    else:
        _check_lb_fields(resource)
        _check_pairs(state, caller, resource)
        resource["group_id"] = state.group_ids.lowest_free(1, 1 << 31)
    return {(kind, new_id): resource}


def update(state: State, caller: Caller, kind: str, id: str, values: Resource) -> Changes:
    if kind == "port_chain":
        return rules_chains.update(state, caller, id, values)
    new = {**require(state, caller, kind, id), **values}
    if kind == "port_pair_group" and "port_pairs" in values:
        _check_pairs(state, caller, new)
        for chain in state.chains_of_group(id):
            rules_chains.check_changed_group(state, chain, new)
    return {(kind, id): new}


def delete(state: State, caller: Caller, kind: str, id: str) -> Changes:
    if kind == "port_chain":
        return rules_chains.delete(state, caller, id)
    require(state, caller, kind, id)
    if kind == "flow_classifier" and state.chain_of_classifier(id) is not None:
        raise Fault(409, "FlowClassifierInUse", f"Flow Classifier {id} in use.")
    if kind == "port_pair" and state.group_of_pair(id) is not None:
        raise Fault(409, "PortPairInUse", f"Port Pair {id} in use.")
    if kind == "port_pair_group" and list(state.chains_of_group(id)):
        raise Fault(409, "PortPairGroupInUse", f"Port Pair Group {id} in use.")
    return {(kind, id): None}


# Flow classifiers


def _check_classifier(state: State, caller: Caller, classifier: Resource) -> None:
    for side in ("source", "destination"):
        low, high = classifier[f"{side}_port_range_min"], classifier[f"{side}_port_range_max"]
        _check_span(low, high, classifier["protocol"])
    for side in ("source", "destination"):
        _check_family(classifier[f"{side}_ip_prefix"], classifier["ethertype"])
    for side in ("source", "destination"):
        port = classifier[f"logical_{side}_port"]
        if port is not None:
            message = "Flow Classifier Neutron Port {} not found."
            require(state, caller, "port", port, "FlowClassifierPortNotFound", message)
    for other in state.classifiers.find(pattern(classifier)):
        known = state.get("flow_classifier", other)
        if known is not None and visible(caller, known):
            text = f"Flow Classifier conflicts with another Flow Classifier {other}."
            raise Fault(400, "FlowClassifierInConflict", text)


def _check_span(low: int | None, high: int | None, protocol: str | None) -> None:
    if low is not None and high is not None and low > high:
        text = f"min_port_range={low} must be lesser or equal to max_port_range={high}."
        raise Fault(400, "FlowClassifierInvalidPortRange", f"Invalid IP protocol port range. {text}")
    if (low is not None or high is not None) and protocol not in ("tcp", "udp"):
        text = "IP protocol must be TCP or UDP, if port range is given."
        raise Fault(400, "FlowClassifierProtocolRequiredWithPorts", text)


def _check_family(prefix: str | None, ethertype: str) -> None:
    if prefix is not None and ethertype != ("IPv6" if ":" in prefix else "IPv4"):
        text = f"IP prefix {prefix} format conflicts with ethertype {ethertype}."
        raise Fault(400, "FlowClassifierIpPrefixFormatConflictWithEthertype", text)


# Port pairs


def _check_pair(state: State, caller: Caller, pair: Resource) -> None:
    """Its ports are there, have the same device, and are no other pair's in these roles."""
    ingress, egress = pair["ingress"], pair["egress"]
    other = state.get("port_pair", state.pair_of_ports(ingress, egress) or "")
    taken = f"Port Pair with ingress port {ingress} and egress port {egress} is already used by another Port Pair"
    if other is not None and visible(caller, other):
        raise Fault(400, "PortPairIngressEgressInUse", f"{taken} {other['id']}.")
    message = "Port Pair port {} not found."
    ports = [require(state, caller, "port", port, "PortPairPortNotFound", message) for port in (ingress, egress)]
    if other is not None:  # another project's: its id is none of the caller's business
        raise Fault(400, "PortPairIngressEgressInUse", f"{taken}.")
    for role, port in zip(("Ingress", "Egress"), ports, strict=True):
        if not port.get("device_id"):
            text = f"Port Pair {role.lower()} port {port['id']} does not belong to a host."
            raise Fault(400, f"PortPair{role}NoHost", text)
    if ports[0]["device_id"] != ports[1]["device_id"]:
        text = f"Port Pair ingress port {ingress} and egress port {egress} not in the same host."
        raise Fault(400, "PortPairIngressEgressDifferentHost", text)


# Port pair groups


def _check_lb_fields(group: Resource) -> None:
    """What no switch can hash is refused at once: these fields can never be changed."""
    reason = refusal(group["port_pair_group_parameters"]["lb_fields"])
    if reason:
        text = f"Port Pair Group cannot spread flows by its lb_fields: {reason}. What can be had is {sets()}."
        raise Fault(400, "PPGParametersUnsupportedLbFields", text)


def _check_pairs(state: State, caller: Caller, group: Resource) -> None:
    """The pairs of a group are there, have one correlation and no other group; a tap has one pair."""
    pairs = [require(state, caller, "port_pair", pair) for pair in group["port_pairs"]]
    for pair in pairs:
        if rules_chains.correlation(pair) != rules_chains.correlation(pairs[0]):
            text = "Port Pair Group attempted creation included Port Pairs with inconsistent correlation types."
            raise Fault(400, "InconsistentCorrelations", text)
        if state.group_of_pair(pair["id"]) not in (None, group["id"]):
            raise Fault(409, "PortPairInUse", f"Port Pair {pair['id']} in use.")
    if group["tap_enabled"] and len(pairs) > 1:
        text = "Multiple port pairs in Tap port-pair-group is not allowed."
        raise Fault(400, "MultiplePortPairsInTapPPGNotSupported", text)
