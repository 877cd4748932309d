"""The OpenAPI 3.1 description of the networking API, ``/v2.0``, made from what its kinds declare. Pure.

Attributes, their types and defaults, filters and which of them may change are those of ``segue.neutron``'s kinds; what
no kind declares (paths, statuses, quotas, tags, the attributes that Segue alone sets) is said here.
"""

from __future__ import annotations

from functools import cache

import msgspec

from segue.api.neutron_tags import METHODS, TAGGED
from segue.api.openapi import Json, answering, document, in_path, json_body, operation, query, ref
from segue.neutron import converters as c
from segue.neutron import quota
from segue.neutron.attributes import KINDS
from segue.neutron.body import MAX_BULK
from segue.neutron.schema import NULL, either, kept, keyed, listed, taken
from segue.neutron.sfc_kinds import ETHERTYPES
from segue.neutron.shape import OMITTED, REQUIRED, Attribute, Kind

ABOUT = """\
Networks, subnets, ports and routers as OpenStack Networking has them, and the service function chaining of
networking-sfc. OpenStack's own clients speak it. What is made here, `segue get` shows, and the other way round.
HEAD is answered wherever GET is: as GET, without the body."""
_TEXT: Json = {"type": "string"}
_OBJECT: Json = {"type": "object"}
_SHOWN: dict[str, Json] = {
    "subnets": listed(kept(c.uuid)),
    "network_id": either(kept(c.uuid), NULL),
    "ethertype": {"enum": [*ETHERTYPES, None]},
    "availability_zones": listed(_TEXT),
    "binding:vif_details": _OBJECT,
    "dns_assignment": listed(_OBJECT),
    "resource_request": either(_OBJECT, NULL),
    **dict.fromkeys(
        (
            *("ipv4_address_scope", "ipv6_address_scope", "qos_network_policy_id", "data_plane_status"),
            *("created_at", "updated_at"),
        ),
        either(_TEXT, NULL),
    ),
    "revision_number": either({"type": "integer"}, NULL),
}
"""Attributes that Segue alone sets, where they are no plain text; and those that `segue apply` may leave open."""
_MORE: dict[str, dict[str, Json]] = {"port_chain": {"status": _TEXT, "status_reason": listed(_TEXT)}}
"""What is shown beyond a kind's attributes."""
_ERRORS = {
    400: "What was asked for is wrong; the message says where.",
    401: "A token that is known, and has not ended, is needed.",
    403: "The token does not allow this.",
    404: "There is no such object, or it is another project's.",
    405: "There is no such method here; Allow says which there are.",
    409: "In use, in conflict with another object, beyond a quota, or not to be built. Nothing was changed.",
    413: "The body is larger than 1 MiB.",
    429: "Too many requests; Retry-After says when to ask again.",
    503: "Not possible now: the disk is full, or there are too many connections. Ask again.",
}
_ALWAYS = (400, 401, 403, 405, 429, 503)
_HEADERS = {401: "WWW-Authenticate", 405: "Allow", 429: "Retry-After"}
_LIMIT: Json = {"type": "string", "pattern": r"^\s*(\+?[0-9]{1,40}|-0{1,39})?\s*$"}
_ANY_OF = "Only those with this value; repeated: with one of these."
_FLAG: Json = {"enum": ["", *(word for word in taken(c.boolean)["anyOf"][1]["enum"] if isinstance(word, str))]}


def description() -> Json:
    return document(
        "Segue: networking and service function chaining",
        ABOUT,
        [{"name": kind.plural} for kind in KINDS.values()] + [{"name": "quotas"}, {"name": "discovery"}],
        {**_discovery(), **_quotas(), **_collections(), **_interfaces(), **_tags()},
        {
            "NeutronError": _error_body(),
            **{name: schema for each in KINDS.values() for name, schema in _schemas(each)},
        },
        {status: _error(status) for status in _ERRORS},
        ("token", "bearer", "basic"),
    )


@cache
def encoded() -> msgspec.Raw:
    """As it is answered: made once."""
    return msgspec.Raw(msgspec.json.encode(description()))


# -- objects ---------------------------------------------------------------------------------------------------------


def _class(kind: Kind) -> str:
    return "".join(word.capitalize() for word in kind.name.split("_"))


def _schemas(kind: Kind) -> list[tuple[str, Json]]:
    made, changed = [each for each in kind.attributes if each.post], [each for each in kind.attributes if each.put]
    needed = tuple(each.name for each in made if each.default is REQUIRED)
    shown = {each.name: _SHOWN.get(each.name, kept(each.convert)) for each in kind.attributes if each.shown}
    return [
        (_class(kind), keyed({**shown, **_MORE.get(kind.name, {})})),
        (f"New{_class(kind)}", keyed({each.name: _asked(each) for each in made}, needed)),
        (f"Changed{_class(kind)}", keyed({each.name: taken(each.convert) for each in changed})),
    ]


def _asked(attribute: Attribute) -> Json:
    """With the default, where there is one that says something."""
    schema = taken(attribute.convert)
    return schema if attribute.default in (REQUIRED, OMITTED) else schema | {"default": attribute.initial()}


def _collections() -> Json:
    paths: Json = {}
    for kind in KINDS.values():
        one, several = _class(kind), _class(kind) + "s"
        single = _named(kind.name, ref(one))
        fields = query("fields", listed(_TEXT), "The attributes to show; all without it.")
        page = keyed({kind.plural: listed(ref(one)), f"{kind.plural}_links": _links()}, (kind.plural,))
        made, changed = _bulk(kind, one, single), json_body(_holding(kind.name, ref(f"Changed{one}")))
        shown = {200: answering("The object.", single)}
        paths[kind.path] = {
            "get": _operation(
                f"list{several}",
                kind.plural,
                {200: answering("Those that the caller may see.", page)},
                (404,),
                parameters=[fields, *_paging(kind), *_filters(kind)],
            ),
            "post": _operation(
                f"create{one}",
                kind.plural,
                {201: answering("As it was made.", made)},
                (404, 409, 413),
                body=json_body(_new(kind, one)),
            ),
        }
        paths[f"{kind.path}/{{id}}"] = {
            "parameters": [_id("id")],
            "get": _operation(f"show{one}", kind.plural, shown, (404,), parameters=[fields]),
            "put": _operation(
                f"update{one}",
                kind.plural,
                shown,
                (404, 409, 413),
                body=changed,
            ),
            "delete": _operation(f"delete{one}", kind.plural, {204: _nothing()}, (404, 409)),
        }
    return paths


def _new(kind: Kind, one: str) -> Json:
    single = _holding(kind.name, ref(f"New{one}"))
    if not kind.bulk:
        return single | {"not": {"required": [kind.plural]}}
    item = either(ref(f"New{one}"), _named(kind.name, ref(f"New{one}"), required=True))
    several = _holding(kind.plural, listed(item) | {"minItems": 1, "description": f"At most {MAX_BULK}."})
    return {"anyOf": [single, several]}


def _bulk(kind: Kind, one: str, single: Json) -> Json:
    return {"anyOf": [single, _named(kind.plural, listed(ref(one)))]} if kind.bulk else single


def _paging(kind: Kind) -> list[Json]:
    parameters = [
        query("limit", _LIMIT, "How many objects a page has; 0 for all."),
        query("marker", _TEXT, "The id of the last object of the page before."),
        query("page_reverse", _FLAG, "The page before the marker in place of that behind it."),
    ]
    if kind.sortable:
        names = [each.name for each in kind.attributes if each.filtered]
        parameters += [
            query("sort_key", listed({"enum": [*names, ""]}), "By what to sort."),
            query("sort_dir", listed({"enum": ["asc", "desc", ""]}), "Which way, once for each sort_key."),
        ]
    return parameters


def _filters(kind: Kind) -> list[Json]:
    return [query(each.name, listed(_text(each)), _ANY_OF) for each in kind.attributes if each.filtered] + [
        query(name, listed(_TEXT), _ANY_OF) for name in _MORE.get(kind.name, {}) if name == "status"
    ]


def _text(attribute: Attribute) -> Json:
    """What can stand in a query: text alone."""
    if attribute.query is None:
        return _TEXT
    found = []
    whole = taken(attribute.query)
    for schema in whole.get("anyOf", [whole]):
        if "enum" in schema:
            found.append({"enum": [value for value in schema["enum"] if isinstance(value, str)]})
        elif schema.get("type") == "string":
            found.append(schema)
    return either(*found)


def _interfaces() -> Json:
    said = keyed({"port_id": either(_TEXT, NULL), "subnet_id": either(_TEXT, NULL)}) | {"additionalProperties": True}
    answer = keyed(
        {
            **dict.fromkeys(("id", "network_id", "port_id", "subnet_id"), kept(c.uuid)),
            **dict.fromkeys(("tenant_id", "project_id"), _TEXT),
            "subnet_ids": listed(kept(c.uuid)),
            "tags": listed(_TEXT),
        }
    )
    return {
        f"/v2.0/routers/{{id}}/{action}_router_interface": {
            "parameters": [_id("id")],
            "put": _operation(
                f"{action}RouterInterface",
                "routers",
                {200: answering("The interface.", answer)},
                (404, 409, 413),
                body=json_body(said),
            ),
        }
        for action in ("add", "remove")
    }


def _tags() -> Json:
    paths: Json = {}
    tags = kept(KINDS["port"].by_name["tags"].convert)
    whole, body = _named("tags", tags, required=True), json_body(_holding("tags", listed(_TEXT)))
    success = {"GET": {200: answering("The tags.", whole)}, "DELETE": {204: _nothing()}}
    for plural in sorted(TAGGED):
        one = next(_class(kind) for kind in KINDS.values() if kind.plural == plural)
        for number, (path, name) in enumerate((("", "Tags"), ("/{tag}", "Tag"))):
            item: Json = {"parameters": [_id("id"), *([_id("tag")] if number else [])]}
            for method in METHODS[number]:
                changes = method in ("PUT", "POST")
                answers = success.get(method, {201: _nothing()} if number else {200: answering("The tags.", whole)})
                item[method.lower()] = _operation(
                    f"{method.lower()}{one}{name}",
                    plural,
                    {204: _nothing()} if number and method == "GET" else answers,
                    (404, 409, 413),
                    body=body if changes and not number else None,
                )
            paths[f"/v2.0/{plural}/{{id}}/tags{path}"] = item
    return paths


# -- quotas and discovery --------------------------------------------------------------------------------------------


def _quotas() -> Json:
    limits = keyed({kind: {"type": "integer", "minimum": -1} for kind in quota.DEFAULTS})
    asked = {
        "anyOf": [{"type": "integer", "minimum": -1, "maximum": c.MAX_INTEGER}, {"type": "string", "maxLength": 11}]
    }
    usage = keyed({name: {"type": "integer"} for name in ("limit", "used", "reserved")})
    owned = keyed({**limits["properties"], "project_id": _TEXT, "tenant_id": _TEXT})
    one = answering("The limits.", _named("quota", limits))
    details = answering("How much of each is used.", _named("quota", keyed(dict.fromkeys(quota.DEFAULTS, usage))))
    project: Json = {"parameters": [_id("project")]}
    body = json_body(_holding("quota", keyed(dict.fromkeys(quota.DEFAULTS, asked))))
    return {
        "/v2.0/quotas": {
            "get": _operation(
                "listQuotas", "quotas", {200: answering("Of whom they differ.", _named("quotas", listed(owned)))}, ()
            )
        },
        "/v2.0/quotas/{project}": {
            **project,
            "get": _operation("showQuota", "quotas", {200: one}, (404,)),
            "put": _operation("updateQuota", "quotas", {200: one}, (404, 413), body=body),
            "delete": _operation("resetQuota", "quotas", {204: _nothing()}, (404,)),
        },
        "/v2.0/quotas/{project}/default": {
            **project,
            "get": _operation("showDefaultQuota", "quotas", {200: one}, (404,)),
        },
        "/v2.0/quotas/{project}/details": {
            **project,
            "get": _operation("showQuotaUsage", "quotas", {200: details}, (404,)),
        },
    }


def _discovery() -> Json:
    link = keyed({"rel": _TEXT, "href": _TEXT}, ("rel", "href"))
    version = keyed({"id": _TEXT, "status": _TEXT, "links": listed(link)}, ("id", "status", "links"))
    collection = keyed({"name": _TEXT, "collection": _TEXT, "links": listed(link)}, ("name", "collection", "links"))
    texts = dict.fromkeys(("alias", "name", "description", "updated"), _TEXT)
    extension = keyed({**texts, "links": listed(link)}, (*texts, "links"))

    def reading(name: str, about: str, key: str, schema: Json, *errors: int) -> Json:
        answer = answering(about, _named(key, schema, required=True))
        return {"get": _operation(name, "discovery", {200: answer}, errors)}

    return {
        "/": reading("listVersions", "The versions that there are.", "versions", listed(version), 404),
        "/v2.0/": reading("listCollections", "The collections that there are.", "resources", listed(collection)),
        "/v2.0/extensions": reading(
            "listExtensions", "What there is beyond the core.", "extensions", listed(extension)
        ),
        "/v2.0/extensions/{alias}": {
            "parameters": [_id("alias")],
            **reading("showExtension", "The extension.", "extension", extension, 404),
        },
        "/v2.0/openapi.json": {
            "get": _operation("describe", "discovery", {200: answering("This description.", _OBJECT)}, ())
        },
    }


# -- parts -----------------------------------------------------------------------------------------------------------


def _operation(
    name: str,
    tag: str,
    answers: dict[int, Json],
    errors: tuple[int, ...],
    parameters: list[Json] | None = None,
    body: Json | None = None,
) -> Json:
    return operation(name, tag, "", answers, (*_ALWAYS, *errors), parameters, body)


def _nothing() -> Json:
    return {"description": "Done."}


def _error_body() -> Json:
    """Neutron's errors; where a token is missing, what keystonemiddleware says."""
    error = keyed(dict.fromkeys(("type", "message", "detail"), _TEXT), ("type", "message", "detail"))
    return _named("NeutronError", error, required=True)


def _error(status: int) -> Json:
    made = answering(_ERRORS[status], _OBJECT if status == 401 else ref("NeutronError"))
    if status in _HEADERS:
        schema = {"type": "integer"} if status == 429 else _TEXT
        made["headers"] = {_HEADERS[status]: {"schema": schema}}
    return made


def _named(name: str, schema: Json, required: bool = False) -> Json:
    return keyed({name: schema}, (name,) if required else ())


def _holding(name: str, schema: Json) -> Json:
    """A body, in which more may be, which nobody reads."""
    return {"type": "object", "properties": {name: schema}, "required": [name]}


def _links() -> Json:
    return listed(keyed({"rel": {"enum": ["next", "previous"]}, "href": _TEXT}, ("rel", "href")))


def _id(name: str) -> Json:
    return in_path(name, minLength=1)
