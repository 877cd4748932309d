"""A Heat template (HOT) -> drafts of the objects that it declares, for the parser to read as it reads an intent's.

A text is a template when its top has ``heat_template_version``. What a resource becomes is said in heat_core.py and
heat_sfc.py; what it may hold, in heat_types.py; docs/heat.md is for people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from segue.intent.heat_core import interfaces, network, port, router, subnet
from segue.intent.heat_given import Given
from segue.intent.heat_sfc import chain, classifier, graph, group, instance
from segue.intent.heat_stack import Entry, Stack
from segue.intent.heat_types import TYPES, instead
from segue.intent.heat_values import Told, at_of
from segue.intent.heat_view import View
from segue.intent.problems import Bad, Findings, label, show, suggest
from segue.intent.shorts import Draft
from segue.intent.text import Raw
from segue.intent.values import describe

KEY = "heat_template_version"
_DATES = (
    *("2013-05-23", "2014-10-16", "2015-04-30", "2015-10-15", "2016-04-08", "2016-10-14", "2017-02-24", "2017-09-01"),
    *("2018-03-02", "2018-08-31", "2021-04-16"),
)
_VERSIONS = (*_DATES, "newton", "ocata", "pike", "queens", "rocky", "wallaby")
_SECTIONS = (KEY, "description", "parameter_groups", "parameters", "conditions", "resources", "outputs")
_PARTS = (
    "type",
    "properties",
    "condition",
    "depends_on",
    "metadata",
    "deletion_policy",
    "update_policy",
    "external_id",
)
_MAKERS: dict[str, Callable[[View], Draft | None]] = {
    "network": network,
    "subnet": subnet,
    "port": port,
    "router": router,
    "classifier": classifier,
    "instance": instance,
    "group": group,
    "chain": chain,
    "graph": graph,
}


def is_template(trees: list[Raw]) -> bool:
    return any(isinstance(tree, dict) and KEY in tree for tree in trees)


def read_template(trees: list[Raw], given: Given, findings: Findings) -> Iterator[Draft]:
    """The drafts, in the order of the template; what is wrong goes to ``findings``."""
    tree = trees[0]
    if len(trees) > 1 or not isinstance(tree, dict):
        findings.add((1,), "", "a Heat template is one YAML document", "write each into a file of its own")
        return
    version = tree[KEY]
    if version not in _VERSIONS:
        hint = suggest(str(version), _VERSIONS, f"write {_VERSIONS[-1]}")
        findings.add((0, KEY), "", f"{KEY} is {describe(version)}, which is not known", hint)
    for key in tree:
        if key not in _SECTIONS:
            hint = suggest(key, _SECTIONS, f"a template has {', '.join(_SECTIONS)}")
            findings.add((0, key), "", f"there is no key {show(key)} in a Heat template", hint)
    stack = Stack(tree, given, findings)
    resources = tree.get("resources")
    if resources is not None and not isinstance(resources, dict):
        findings.add(
            (0, "resources"), "", f"resources is {describe(resources)}", "write NAME: {type: OS::Neutron::Net}"
        )
        return
    for name, body in (resources or {}).items():
        stack.entries[name] = _entry(name, body, stack)
    _depend(resources or {}, stack)
    yield from _made(stack)


def _entry(name: str, body: Raw, stack: Stack) -> Entry:
    findings, where, path = stack.findings, label("resource", name), at_of((name,))
    if not isinstance(body, dict):
        findings.add(path, where, f"a resource is not {describe(body)}", "write {type: OS::Neutron::Net}")
        return Entry(name, None, {})
    for key in body:
        if key not in _PARTS:
            hint = suggest(key, _PARTS, f"a resource has {', '.join(_PARTS)}")
            findings.add((*path, key), where, f"there is no field {show(key)}", hint)
    there = True
    if body.get("condition") is not None:
        try:
            there = stack.functions.decided(body["condition"])
        except Bad as bad:
            findings.add_bad((*path, "condition"), where, "condition", bad)
        except Told:
            pass
    kind = body.get("type")
    known = TYPES.get(kind) if isinstance(kind, str) else None
    if not there:
        return Entry(name, known, {}, there=False)
    if known is None:
        said = "has no type" if kind is None else f"is of type {describe(kind)}, which Segue does not have"
        findings.add((*path, "type"), where, said, instead(str(kind or "")))
    properties = body.get("properties")
    if properties is not None and not isinstance(properties, dict):
        findings.add((*path, "properties"), where, f"properties is {describe(properties)}", "write NAME: VALUE")
        properties = None
    for key, meant, hint in (
        ("deletion_policy", "delete", "Segue deletes what it is told to delete; remove it"),
        ("update_policy", "", "nothing is updated in batches; remove it"),
        ("external_id", "", "give the applied object's name where it is used, and remove the resource"),
    ):
        if body.get(key) and str(body[key]).lower() != meant:
            findings.add((*path, key), where, f"{key} is not supported", hint)
    return Entry(name, known, properties or {})


def _depend(resources: dict[str, Raw], stack: Stack) -> None:
    """``depends_on`` has no work to do, as all of a change happens at once; but it may name what is not there."""
    for name, body in resources.items():
        wanted = body.get("depends_on") if isinstance(body, dict) else None
        for other in wanted if isinstance(wanted, list) else [] if wanted is None else [wanted]:
            if not isinstance(other, str) or other not in stack.entries:
                hint = suggest(str(other), stack.entries, "remove it")
                path = at_of((name, "depends_on"))
                message = f"depends_on names {describe(other)}, which is not there"
                stack.findings.add(path, label("resource", name), message, hint)


def _made(stack: Stack) -> Iterator[Draft]:
    connected = interfaces(stack)
    for entry in stack.entries.values():
        if entry.type is None or not entry.there or entry.type.kind == "interface":
            continue
        view = View(stack, entry)
        view.check()
        if entry.type.kind == "router":
            view.connected = connected.get(entry.name, [])
        draft = _MAKERS[entry.type.kind](view)
        if draft is not None and view.good:
            yield draft
