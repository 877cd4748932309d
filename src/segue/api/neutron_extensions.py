"""Which of Neutron's extensions there are: clients look for these before they use what an extension brought."""

from __future__ import annotations

from typing import Any


def _extension(alias: str, name: str, description: str, updated: str) -> dict[str, Any]:
    return {"alias": alias, "name": name, "description": description, "updated": updated, "links": []}


_ALL = (
    _extension("sfc", "Service Function Chaining", "Port pairs, port pair groups and port chains", "2015-10-05"),
    _extension("flow_classifier", "Flow Classification", "Which packets go into a chain", "2015-10-05"),
    _extension("service_graph", "Service Graph", "Chains that branch into chains", "2017-09-20"),
    _extension("networking-sfc-tap", "Service Function Chaining: tap", "Groups that get a copy", "2017-10-20"),
    _extension("router", "Neutron L3 Router", "Routers between subnets", "2012-07-20"),
    _extension("binding", "Port Binding", "On which node a port is", "2014-02-03"),
    _extension("port-security", "Port Security", "Ports that may send from any address", "2012-07-23"),
    _extension("allowed-address-pairs", "Allowed Address Pairs", "Further sources of a port", "2013-07-23"),
    _extension("quotas", "Quota management support", "Limits for each project", "2012-07-29"),
    _extension("project-id", "project_id field", "project_id beside tenant_id", "2016-09-09"),
    _extension("pagination", "Pagination support", "Lists in pages", "2016-06-12"),
    _extension("sorting", "Sorting support", "Lists in an order", "2016-06-12"),
    _extension("standard-attr-tag", "Tag support", "Tags of networks, subnets, ports and routers", "2017-01-01"),
    _extension("tag-ports-during-bulk-creation", "Tags of new ports", "Tags given when ports are made", "2019-12-29"),
)
EXTENSIONS: dict[str, dict[str, Any]] = {extension["alias"]: extension for extension in _ALL}
"""By alias, in the form in which the API shows them."""
