"""JSON Schema (draft 2020-12) of the JSON form of messages (`as_json`), made from the declarations.

A schema is of one version: what another version has is not in it. Every record has a definition of its own under
`$defs`, by its class's name; families (actions, instructions, the various properties) are alternatives there, in lower
case. Records refuse fields that they do not have.

What is described is what `as_json` writes, and of what it reads the same with numbers in place of names, and
hexadecimal or decimal text in place of numbers. Two things that a schema cannot say are left to the reader: the
ranges of numbers that are written as text, and what depends on other fields.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec

from segue.openflow import field_text, generate, json_errors, json_unknown
from segue.openflow.as_json import MultipartFlags, action_family, is_error, multipart_name, own_type, reserved_ports
from segue.openflow.codec import CODEC, UnknownMessage
from segue.openflow.declare import HOMES, MESSAGES, REPLIES, REQUESTS, Entry, Family, Item, Record, layout
from segue.openflow.names import Flags
from segue.openflow.wire import VERSION_NAMES, VERSIONS

Schema = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_BITS: Final = {"u8": 8, "u16": 16, "u32": 32, "u64": 64}
_OCTETS: Final = "^([0-9a-fA-F]{2})*$"
_MESSAGE_HOMES: Final = (MESSAGES, REQUESTS, REPLIES)


def schema(version: int | None = None) -> Schema:
    """The schema of a message of `version` (a wire number), or of any version at all."""
    if version is not None:
        return {"$schema": DIALECT, "title": f"A message of OpenFlow {VERSION_NAMES[version]}", **_of(version)}
    versions = {f"openflow-{VERSION_NAMES[each]}": _of(each, f"openflow-{VERSION_NAMES[each]}") for each in VERSIONS}
    references = [{"$ref": f"#/$defs/{name}"} for name in versions]
    return {"$schema": DIALECT, "title": "An OpenFlow message", "anyOf": references, "$defs": versions}


def _of(version: int, within: str = "") -> Schema:
    made = _Maker(version, f"#/$defs/{within}/$defs" if within else "#/$defs")
    body = made.message(nested=False)
    return {**body, "$defs": dict(sorted(made.definitions.items()))}


class _Maker:
    """Makes definitions as they are referred to; each is entered before its body is made, as families recur."""

    def __init__(self, version: int, base: str) -> None:
        self.version = version
        self.base = base
        self.definitions: dict[str, Schema] = {}

    def reference(self, name: str, make: Callable[[], Schema]) -> Schema:
        if name not in self.definitions:
            self.definitions[name] = {}
            self.definitions[name].update(make())
        return {"$ref": f"{self.base}/{name}"}

    # -- records and families --

    def message(self, *, nested: bool) -> Schema:
        alternatives = self.reference("message", self._messages)
        if nested:
            return {**alternatives, "not": {"required": ["version"]}}
        return {**alternatives, "required": ["version"]}

    def _messages(self) -> Schema:
        by_type: dict[str, list[Schema]] = {}
        for home in _MESSAGE_HOMES:
            for entry in self._entries(home):
                name = entry.name(self.version) if home is MESSAGES else multipart_name(home, self.version)
                key = "" if home is MESSAGES else "multipart_type"
                form = _when(key, entry.name(self.version), self.record(entry)) if key else self.record(entry)
                by_type.setdefault(name, []).append(form)
        for home in (REQUESTS, REPLIES):
            name = multipart_name(home, self.version)
            listed = {"enum": [entry.name(self.version) for entry in self._entries(home)]}
            for kind, form in self._experimenters(home).items():
                listed["enum"].append(kind)
                by_type[name].append(_when("multipart_type", kind, form))
            number = {"type": "integer"}
            unknown = self.reference(f"unknown_{home.name.replace(' ', '_')}", partial(self._unknown_multipart, home))
            by_type[name].append({"if": {"properties": {"multipart_type": number}}, "then": unknown})
            kinds = {"anyOf": [listed, number]}
            by_type[name] = [{"properties": {"multipart_type": kinds}, "required": ["multipart_type"]}, *by_type[name]]
        by_type |= {name: [form] for name, form in self._experimenters(MESSAGES).items()}
        forms = {name: found[0] if len(found) == 1 else {"allOf": found} for name, found in by_type.items()}
        return self._alternatives(forms, self.reference("UnknownMessage", lambda: self._unknown(UnknownMessage, 8)))

    @staticmethod
    def _alternatives(forms: dict[str, Schema], unknown: Schema | None) -> Schema:
        """What is told apart by `type`: the one that it names is checked, and errors are of that one."""
        kinds: list[Schema] = [{"enum": list(forms)}]
        chosen = [_when("type", name, form) for name, form in forms.items()]
        if unknown is not None:
            kinds.append({"type": "integer"})
            chosen.append({"if": {"properties": {"type": {"type": "integer"}}}, "then": unknown})
        properties = {"type": kinds[0] if len(kinds) == 1 else {"anyOf": kinds}}
        return {"type": "object", "required": ["type"], "properties": properties, "allOf": chosen}

    def _entries(self, home: Family) -> list[Entry]:
        return [entry for _, entry in sorted(home.by_name(self.version).items())]

    def family(self, home: Family) -> Schema:
        def alternatives() -> Schema:
            forms = {entry.name(self.version): self.record(entry) for entry in self._entries(home)}
            keeper: Any = home.unknown
            if keeper is None:
                return self._alternatives(forms, None)
            forms |= self._experimenters(home)
            return self._alternatives(forms, self.reference(keeper.__name__, lambda: self._unknown(keeper, 16)))

        return self.reference(home.name.replace(" ", "_").replace("-", "_"), alternatives)

    def record(self, entry: Entry) -> Schema:
        return self.reference(entry.record.__name__, lambda: self._entered(entry))

    def plain(self, record: type[Record]) -> Schema:
        return self.reference(record.__name__, lambda: self._object(record, {}, []))

    def _entered(self, entry: Entry) -> Schema:
        home, name = HOMES[entry.record], entry.name(self.version)
        if home in _MESSAGE_HOMES:
            required = ["type"] if home is MESSAGES else ["type", "multipart_type"]
            return self._object(entry.record, self._head(home, {"const": name}), required)
        return self._object(entry.record, {"type": {"const": name}}, ["type"])

    def _envelope(self) -> Schema:
        return {"version": {"const": VERSION_NAMES[self.version]}, "type": {}, "xid": self.number(32)}

    def _unknown(self, record: type[Record], bits: int) -> Schema:
        head = self._envelope() if record is UnknownMessage else {}
        head["type"] = {"type": "integer", "minimum": 0, "maximum": (1 << bits) - 1}
        head["data"] = self.octets()
        return {**self._described(record), **_closed(head, ["type"])}

    def _experimenters(self, home: Family) -> dict[str, Schema]:
        """What an experimenter defined and nobody declared, by its name."""
        return {
            name: self.reference(f"experimenter_{name.lower()}_{home.name.replace(' ', '_')}", made)
            for name in json_unknown.names(home, self.version)
            for made in (partial(self._experimenter, home, name),)
        }

    def _experimenter(self, home: Family, name: str) -> Schema:
        head = self._head(home, {"const": name}) if home in _MESSAGE_HOMES else {"type": {"const": name}}
        head["experimenter"] = self.number(32)
        if json_unknown.has_exp_type(home, self.version):
            head["exp_type"] = self.number(32)
        head["data"] = self.octets()
        text = f"An experimenter's {home.name} that nobody declared: the octets behind what is named."
        required = ["type", "experimenter", *(["multipart_type"] if "multipart_type" in head else [])]
        return {"description": text, **_closed(head, required)}

    def _unknown_multipart(self, home: Family) -> Schema:
        kind = {"type": "integer", "minimum": 0, "maximum": 0xFFFF}
        head = {**self._head(home, kind), "data": self.octets()}
        text = f"A {home.name} that nobody declared: the octets behind its header."
        return {"description": text, **_closed(head, ["type", "multipart_type"])}

    def _head(self, home: Family, kind: Schema) -> Schema:
        head = self._envelope()
        if home is MESSAGES:
            return {**head, "type": kind}
        head["type"] = {"const": multipart_name(home, self.version)}
        return {**head, "multipart_type": kind, "flags": self.number(16, MultipartFlags)}

    def _object(self, record: type[Record], head: Schema, required: list[str]) -> Schema:
        properties = dict(head)
        needed = {
            name
            for name, default in zip(record.__struct_fields__, generate.defaults(record), strict=True)
            if default is msgspec.NODEFAULT
        }
        wanted = list(required)
        for item in layout(record, self.version):
            for name, form in self._item(item).items():
                key = own_type(record) if name == "type" and record in HOMES else name
                properties[key] = form
                if name in needed and key not in wanted:
                    wanted.append(key)
        if is_error(record):
            named = {"enum": json_errors.code_names(self.version)}
            properties["code"] = {"anyOf": [named, properties["code"]]}
        return {**self._described(record), **_closed(properties, wanted)}

    @staticmethod
    def _described(record: type[Record]) -> Schema:
        text = " ".join((record.__doc__ or "").strip().partition("\n\n")[0].split())
        return {"description": text} if text else {}

    # -- values --

    def numeral(self) -> Schema:
        text = "A number as text: hexadecimal, or decimal."
        return self.reference(
            "numeral", lambda: {"type": "string", "pattern": "^(0[xX][0-9a-fA-F]+|[0-9]+)$", "description": text}
        )

    def number(self, bits: int, names: Any = None) -> Schema:
        integer = {"type": "integer", "minimum": 0, "maximum": (1 << bits) - 1}
        if names is None:
            return self.reference(f"u{bits}", lambda: {"anyOf": [integer, self.numeral()]})
        named = {"enum": list(names.all_names())}
        if not issubclass(names, Flags):
            form = {"anyOf": [named, integer, self.numeral()]}
        else:
            part = [named, integer, self.numeral()] if named["enum"] else [integer, self.numeral()]
            form = {"anyOf": [{"type": "array", "items": {"anyOf": part}}, integer, self.numeral()]}
        name = f"{names.__name__}_u{bits}"
        if self.definitions.get(name, form) != form:  # another class of this name
            return form
        return self.reference(name, lambda: form)

    def octets(self, size: int | None = None) -> Schema:
        if size is None:
            return self.reference(
                "octets", lambda: {"type": "string", "pattern": _OCTETS, "description": "Octets, hexadecimal."}
            )
        return {"type": "string", "pattern": _OCTETS, "minLength": 2 * size, "maxLength": 2 * size}

    def text(self, size: int) -> Schema:
        raw = _closed({"hex": self.octets()}, ["hex"])
        return {"anyOf": [{"type": "string", "maxLength": size}, raw]}

    def match(self) -> Schema:
        return self.reference("match", self._match)

    def _match(self) -> Schema:
        whole = field_text.json_schema_of_match()
        for part in ("properties", "patternProperties"):
            whole[part] = {name: self._shared(form) for name, form in whole[part].items()}
        return whole

    def _shared(self, form: Schema) -> Schema:
        """A value of a field, as one definition for all fields that have the same."""
        if "anyOf" not in form:
            return form
        first, *_ = form["anyOf"]
        kind = first["description"].partition(" ")[0].lower() if "description" in first else f"{first['maximum']:#x}"
        name = f"match_{kind}"
        if self.definitions.get(name, form) != form:
            return form
        return self.reference(name, lambda: form)

    def _address(self, kind: str, pattern: str, bits: int) -> Schema:
        integer = {"type": "integer", "minimum": 0, "maximum": (1 << bits) - 1}
        return self.reference(kind, lambda: {"anyOf": [{"type": "string", "pattern": pattern}, integer]})

    def _stats(self) -> Schema:
        time = _closed({"sec": self.number(32), "nsec": self.number(32)}, ["sec", "nsec"])
        counter = self.number(64)
        names = dict.fromkeys(("duration", "idle_time"), time)
        names |= dict.fromkeys(("flow_count", "packet_count", "byte_count"), counter)
        other = {"^oxs:[0-9a-f]{1,4}:[0-9a-f]{1,2}:[0-9a-f]{1,2}$": self.number(2040)}
        return {"type": "object", "properties": names, "patternProperties": other, "additionalProperties": False}

    def _list(self, of: Any) -> Schema:
        return {"type": "array", "items": self.family(of) if isinstance(of, Family) else self.plain(of)}

    def _item(self, item: Item) -> Schema:
        """The properties that an item has in JSON: one, none, or two."""
        if not item.names:
            return {}
        name = item.names[0]
        if item.kind == "ofs_nbits":
            bits = {"type": "integer", "minimum": 1, "maximum": 64}
            return {name: {"type": "integer", "minimum": 0, "maximum": 1023}, item.names[1]: bits}
        if item.kind == "instructions":
            short = "Short for an apply-actions instruction before `instructions`; read, and never written."
            return {name: self._value(item), item.names[1]: {"description": short, **self._list(action_family())}}
        return {name: self._value(item)}

    def _value(self, item: Item) -> Schema:
        match item.kind:
            case "u8" | "u16" | "u32" | "u64":
                return self.number(_BITS[item.kind], item.of)
            case "port" | "port16":
                return self.reference("port_number", lambda: self.number(32, reserved_ports(self.version)))
            case "mac":
                return self._address("mac", "^[0-9a-fA-F]{1,2}([:-][0-9a-fA-F]{1,2}){5}$", 48)
            case "ipv4":
                return self._address("ipv4", r"^[0-9]{1,3}(\.[0-9]{1,3}){3}$", 32)
            case "text":
                return self.text(item.size)
            case "blob":
                return self.octets(item.size)
            case "data":
                return self.octets()
            case "match" | "nxm" | "in_port_match":
                return self.match()
            case "oxm":
                return {**self.match(), "minProperties": 1, "maxProperties": 1}
            case "oxm_id" | "nxm_id":
                return {"type": "string"}
            case "oxm_ids":
                return {"type": "array", "items": {"type": "string"}}
            case "stats" | "counters":
                return self.reference("stats", self._stats)
            case "one":
                return self.plain(item.of)
            case "many" | "trailer":
                return self._list(item.of)
            case "instructions":
                return self._list(CODEC.instruction_family)
            case "nested":
                return self.message(nested=True)
            case "custom":
                made = item.of.schema()
                if made == {"type": "string"}:
                    return {"anyOf": [made, _closed({"hex": self.octets()}, ["hex"])]}
                whole_match = field_text.json_schema_of_match()
                return dict(_replaced(made, whole_match, self.match() if _has(made, whole_match) else {}))
        raise AssertionError(item.kind)


def _has(form: Any, part: Schema) -> bool:
    inner = form.values() if isinstance(form, dict) else form if isinstance(form, list) else ()
    return form == part or any(_has(one, part) for one in inner)


def _replaced(form: Any, part: Schema, reference: Schema) -> Any:
    """`form` with the reference in place of `part`, wherever it is in it."""
    if form == part:
        return reference
    if isinstance(form, dict):
        return {key: _replaced(one, part, reference) for key, one in form.items()}
    return [_replaced(one, part, reference) for one in form] if isinstance(form, list) else form


def _when(key: str, name: str, form: Schema) -> Schema:
    return {"if": {"properties": {key: {"const": name}}}, "then": form}


def _closed(properties: Schema, required: list[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
