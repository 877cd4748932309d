"""The JSON Schema of an intent, for editors: completion, descriptions, early warnings.

It is made of the tables that the parser reads by. The parser knows more than a schema can say (bits behind a prefix,
a gateway outside its subnet), so what passes here may still be refused there; what is refused here is refused there.
YAML is told apart from JSON in one point: the parser takes an unquoted 17 for a name, where an editor sees a number.
"""

from __future__ import annotations

from typing import Any

import msgspec

from segue.intent import values as v
from segue.intent.fields import FIELDS, REQUIRED, SHORT, Short
from segue.intent.labread import HOST, LAB_NAME
from segue.intent.parse import VERSION
from segue.intent.problems import PLURALS
from segue.intent.values import Schema
from segue.model import spread
from segue.model.hooks import HOOKS, Hook
from segue.model.intent import KINDS, NOT_REWRITTEN

_ABOUT = {
    "node": "A machine that forwards. Short: its address.",
    "network": "A broadcast domain over all nodes. Short: a prefix, or a list of prefixes or `{cidr, gateway}`.",
    "subnet": "A prefix of a network.",
    "router": "Connects subnets. Short: the list of their names.",
    "port": "Where something is attached; its interface carries external_ids:iface-id with the port's name.",
    "instance": "One running service function. Short: the node to make its two ports on.",
    "group": "Interchangeable instances for one step. Short: the list of their names.",
    "classifier": "Which packets. What is not said matches everything.",
    "chain": "Which packets go through which functions, in order.",
    "graph": "Chains that branch into chains.",
    "service": "An external application with tables of its own at a hook of the pipeline.",
}


def schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12."""
    properties: dict[str, Schema] = {"segue": {"const": VERSION, "description": "The version of this format."}}
    for plural, kind in PLURALS.items():
        properties[plural] = {
            "description": _ABOUT[kind],
            "type": ["object", "null"],
            "propertyNames": {"pattern": v.NAME_PATTERN},
            "additionalProperties": _entry(kind),
        }
    nodes = properties["nodes"]
    names = {"type": "array", "items": v.NAME.schema, "uniqueItems": True, "maxItems": 254}
    properties["nodes"] = {
        "description": f"{nodes.pop('description')} A list of names gives addresses by position (laboratories).",
        "anyOf": [nodes, names],
    }
    properties["lab"] = _lab()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Segue intent",
        "description": "Nodes, networks and ports, and which traffic goes through which functions.",
        "type": ["object", "null"],
        "properties": properties,
        "additionalProperties": False,
        "$defs": {
            **{kind: _long(kind) for kind in KINDS},
            "subnet-in-network": {
                "anyOf": [
                    v.CIDR.schema,
                    {
                        "type": "object",
                        "properties": {field: _described(FIELDS["subnet"][field]) for field in ("cidr", "gateway")},
                        "required": ["cidr"],
                        "additionalProperties": False,
                    },
                ]
            },
        },
    }


def _described(field: Any, default: Any = msgspec.NODEFAULT) -> Schema:
    about = {"description": field.about, "examples": [field.example]}
    if default is not msgspec.NODEFAULT and default is not None:
        about["default"] = list(default) if isinstance(default, tuple) else msgspec.to_builtins(default)
    inner = field.schema if isinstance(field, Short) else field.type.schema
    return {**about, **inner}


def _entry(kind: str) -> Schema:
    """What may stand behind an object's name."""
    ref = {"$ref": f"#/$defs/{kind}"}
    short: dict[str, list[Schema]] = {
        "node": [v.NODE_ADDRESS.schema],
        "network": [v.CIDR.schema, SHORT["network"]["subnets"].schema, {"type": "null"}],
        "router": [FIELDS["router"]["subnets"].type.schema],
        "port": [{"type": "null"}],
        "instance": [v.NAME.schema],
        "group": [FIELDS["group"]["instances"].type.schema],
        "classifier": [{"type": "null"}],
        "graph": [{"type": "null"}],
    }
    return {"anyOf": [ref, *short[kind]]} if kind in short else ref


def _long(kind: str) -> Schema:
    defaults = {f.name: f.default for f in msgspec.structs.fields(KINDS[kind])}
    made: Schema = {
        "description": _ABOUT[kind],
        "type": "object",
        "properties": {
            **{name: _described(field) for name, field in SHORT[kind].items()},
            **{name: _described(field, defaults[name]) for name, field in FIELDS[kind].items()},
        },
        "additionalProperties": False,
    }
    if kind in _RULES:
        made["allOf"] = _RULES[kind]
    elif REQUIRED[kind]:
        made["required"] = list(REQUIRED[kind])
    return made


def _not_both(one: str, other: str) -> Schema:
    return {"not": {"required": [one, other]}}


def _needs(field: str, given: Schema, needed: str) -> Schema:
    """Where ``field`` has a value like ``given``, ``needed`` has one too."""
    return {
        "if": {"required": [field], "properties": {field: given}},
        "then": {"required": [needed], "properties": {needed: {"not": {"type": "null"}}}},
    }


def _any_of(*choices: tuple[str, ...]) -> Schema:
    return {"anyOf": [{"required": list(choice)} for choice in choices]}


def _exactly(words: tuple[str, ...]) -> Schema:
    """A list of these, in any order; that none is there twice is said elsewhere."""
    listed: Schema = {"minItems": len(words), "maxItems": len(words)}
    return listed | {"items": {"enum": list(words)}} if words else listed


_SOME: Schema = {"minItems": 1}
_GIVEN: Schema = {"not": {"type": "null"}}


def _of_hook(hook: Hook) -> Schema:
    """What a service at ``hook`` cannot have."""
    then: dict[str, Schema] = {}
    if missing := [kind for kind in v.ELEMENTS if kind not in hook.elements]:
        then["attach"] = {"items": {"not": {"pattern": f"^({'|'.join(missing)})/"}}}
    if fields := NOT_REWRITTEN.get(hook.name):
        then["permissions"] = {"properties": {"rewrite": {"items": {"not": {"enum": list(fields)}}}}}
    return {"if": {"required": ["hook"], "properties": {"hook": {"const": hook.name}}}, "then": {"properties": then}}


_RULES: dict[str, list[Schema]] = {
    "network": [_not_both("cidr", "subnets"), {"dependentSchemas": {"gateway": _any_of(("cidr",), ("subnets",))}}],
    "port": [
        _not_both("address", "addresses"),
        _needs("address", {}, "network"),
        _needs("addresses", _SOME, "network"),
        _needs("allowed", _SOME, "network"),
    ],
    "instance": [
        _any_of(("port",), ("node",), ("ingress", "egress")),
        *(_not_both("port", other) for other in ("node", "ingress", "egress")),
        *(_not_both("node", other) for other in ("ingress", "egress")),
        {"dependentRequired": {"arms": ["node"]}},
    ],
    "group": [
        _any_of(("instances",)),
        {
            "if": {"required": ["tap"], "properties": {"tap": {"const": True}}},
            "then": {"properties": {"instances": {"minItems": 1, "maxItems": 1}, "maps": {"type": "null"}}},
        },
        {"properties": {"hash": {"anyOf": [_exactly(fields) for fields in ((), *spread.HASHES)]}}},
    ],
    "classifier": [
        _needs("source_ports", _GIVEN, "protocol"),
        _needs("destination_ports", _GIVEN, "protocol"),
    ],
    "chain": [
        _any_of(("match",), ("classifiers",)),
        _any_of(("through",), ("groups",)),
        _not_both("match", "classifiers"),
        _not_both("through", "groups"),
    ],
    "graph": [_not_both("branch", "branches")],
    "service": [_any_of(("hook",)), *(_of_hook(hook) for hook in HOOKS.values())],
}


def _lab() -> Schema:
    return {
        "description": "What to run when the intent is tried on one machine.",
        "type": ["object", "null"],
        "properties": {
            "name": {"description": "The laboratory's name.", **LAB_NAME.schema},
            "hosts": {
                "description": "Hosts by name.",
                "type": ["object", "null"],
                "propertyNames": {"pattern": v.NAME_PATTERN},
                "additionalProperties": {
                    "type": ["object", "null"],
                    "properties": {name: _described(field) for name, field in HOST.items()},
                    "additionalProperties": False,
                },
            },
        },
        "additionalProperties": False,
    }
