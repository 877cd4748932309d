"""The intrinsic functions of Heat templates: a value as written -> the value that is meant.

Every version's functions are read in templates of any version. Those that need a cloud, further files or a query
language are refused by name. What they make is counted: see ``Budget``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from segue.intent.heat_parameters import Parameters
from segue.intent.heat_values import Budget, boolean, deeper, in_text, need_list, need_mapping, need_text, walk
from segue.intent.problems import Bad, show, suggest
from segue.intent.text import Raw
from segue.intent.values import describe

DEPTH = 64
"""Levels of values inside values, by way of other resources' properties too."""

REFUSED = {
    "get_file": "write the file's content here",
    "resource_facade": "write the value out",
    "digest": "write the digest itself",
    "yaql": "write the result out",
    "filter": "write the list out",
    "make_url": "write the URL out",
    "Fn::GetAtt": "write get_attr",
    "Fn::Join": "write list_join",
    "Fn::Select": "write get_param or get_attr with a path",
    "Ref": "write get_resource or get_param",
}


class Things(Protocol):
    """What functions may ask of the template's resources. All raise Bad, or Told."""

    def reference(self, resource: str) -> str: ...
    def attribute(self, resource: str, name: str, path: list[Raw]) -> Raw: ...


class Functions:
    def __init__(self, parameters: Parameters, conditions: dict[str, Raw], things: Things, budget: Budget) -> None:
        self._parameters = parameters
        self._conditions = conditions
        self._things = things
        self._budget = budget
        self._depth = 0
        self._deciding: list[str] = []
        self._table: dict[str, Callable[[Raw], Raw]] = {
            "get_param": self._get_param,
            "get_resource": self._get_resource,
            "get_attr": self._get_attr,
            "list_join": self._list_join,
            "list_concat": self._list_concat,
            "list_concat_unique": lambda raw: _unique(self._list_concat(raw)),
            "map_merge": self._map_merge,
            "str_replace": lambda raw: self._str_replace(raw, strict=False),
            "str_replace_strict": lambda raw: self._str_replace(raw, strict=True),
            "str_replace_vstrict": lambda raw: self._str_replace(raw, strict=True, empty=False),
            "str_split": self._str_split,
            "repeat": self._repeat,
            "if": self._if,
            "contains": self._contains,
        }

    def value(self, raw: Raw) -> Raw:
        """Raises Bad, whose path begins at ``raw``, or Told."""
        self._budget.spend(1)
        self._depth += 1
        try:
            if self._depth > DEPTH:
                raise Bad(f"leads through more than {DEPTH} others", "write the value out")
            if isinstance(raw, dict):
                name = next(iter(raw)) if len(raw) == 1 else ""
                if name in self._table:
                    try:
                        return self._table[name](raw[name])
                    except Bad as bad:
                        raise deeper(bad, name) from None
                if name in REFUSED:
                    raise Bad(f"asks for function {name}, which Segue does not have", REFUSED[name], (name,))
                return {key: self._inside(item, key) for key, item in raw.items()}
            if isinstance(raw, list):
                return [self._inside(item, position) for position, item in enumerate(raw)]
            return raw
        finally:
            self._depth -= 1

    def _inside(self, raw: Raw, step: str | int) -> Raw:
        try:
            return self.value(raw)
        except Bad as bad:
            raise deeper(bad, step) from None

    def _arguments(self, name: str, raw: Raw, least: int, most: int, example: str) -> list[Raw]:
        """A list of so many, resolved."""
        if not isinstance(raw, list) or not least <= len(raw) <= most:
            raise Bad(f"{name} is {describe(raw)} of another shape", f"write {name}: {example}")
        return [self._inside(item, position) for position, item in enumerate(raw)]

    def _get_param(self, raw: Raw) -> Raw:
        path = [raw] if not isinstance(raw, list) else [self._inside(item, i) for i, item in enumerate(raw)]
        if not path or not isinstance(path[0], str):
            raise Bad("get_param names no parameter", "write get_param: NAME")
        return walk(self._parameters.get(path[0]), path[1:], f"parameter {show(path[0])}")

    def _get_resource(self, raw: Raw) -> Raw:
        name = self.value(raw)
        if not isinstance(name, str):
            raise Bad("get_resource names no resource", "write get_resource: NAME")
        return self._things.reference(name)

    def _get_attr(self, raw: Raw) -> Raw:
        path = self._arguments("get_attr", raw, 2, 32, "[RESOURCE, ATTRIBUTE]")
        if not isinstance(path[0], str) or not isinstance(path[1], str):
            raise Bad("get_attr names no attribute", "write get_attr: [RESOURCE, ATTRIBUTE]")
        return self._things.attribute(path[0], path[1], path[2:])

    def _list_join(self, raw: Raw) -> str:
        delimiter, *lists = self._arguments("list_join", raw, 2, 32, "[', ', [a, b]]")
        parts = [in_text(item) for one in lists for item in need_list(one)]
        between = need_text(delimiter)
        self._budget.spend(sum(map(len, parts)) + len(between) * len(parts))
        return between.join(parts)

    def _list_concat(self, raw: Raw) -> list[Raw]:
        lists = self._arguments("list_concat", raw, 0, 1 << 20, "[[a], [b]]")
        made = [item for one in lists if one is not None for item in need_list(one)]
        self._budget.spend(len(made))
        return made

    def _map_merge(self, raw: Raw) -> dict[str, Raw]:
        made: dict[str, Raw] = {}
        for one in self._arguments("map_merge", raw, 0, 1 << 20, "[{a: 1}, {b: 2}]"):
            if one is not None:
                self._budget.spend(len(one) if isinstance(one, dict) else 0)
                made |= need_mapping(one, "write mappings")
        return made

    def _str_replace(self, raw: Raw, strict: bool, empty: bool = True) -> str:
        """``strict``: each word must be in the template; ``empty``: what replaces it may be nothing."""
        body = need_mapping(raw, "write {template: TEXT, params: {NAME: VALUE}}")
        if body.keys() != {"template", "params"}:
            raise Bad("str_replace needs template and params", "write {template: TEXT, params: {NAME: VALUE}}")
        template = need_text(self._inside(body["template"], "template"))
        params = need_mapping(self._inside(body["params"], "params"), "write {NAME: VALUE}")
        if not empty and (missing := [word for word, value in params.items() if value in (None, "", [], {})]):
            raise Bad(f"{show(missing[0])} is replaced by nothing", "give it a value", ("params", missing[0]))
        words = {word: str(value) if isinstance(value, bool) else in_text(value) for word, value in params.items()}
        words.pop("", None)
        if strict and (missing := [word for word in words if word not in template]):
            raise Bad(f"{show(missing[0])} is not in the template", "remove it from params", ("params", missing[0]))
        return self._replaced(template, words)

    def _replaced(self, template: str, words: dict[str, str]) -> str:
        """As Heat does it: the longest word first, wherever it is; what has been put in is not looked at again."""
        pieces = [(template, False)]
        for word in sorted(words, key=lambda word: (-len(word), word)):
            self._budget.spend(len(pieces) + len(template) // 16)
            after: list[tuple[str, bool]] = []
            for text, done in pieces:
                if done or word not in text:
                    after.append((text, done))
                    continue
                for number, part in enumerate(text.split(word)):
                    after += [(words[word], True)] if number else []
                    after += [(part, False)] if part else []
            pieces = after
        self._budget.spend(sum(len(text) for text, _ in pieces))
        return "".join(text for text, _ in pieces)

    def _str_split(self, raw: Raw) -> Raw:
        delimiter, text, *index = self._arguments("str_split", raw, 2, 3, "[',', 'a,b']")
        between, whole = need_text(delimiter), need_text(text)
        if not between:
            raise Bad("str_split splits at nothing", "write a delimiter", (0,))
        self._budget.spend(len(whole))
        parts = whole.split(between)
        return walk(parts, index, "the split text")

    def _repeat(self, raw: Raw) -> list[Raw]:
        example = "write {template: VALUE, for_each: {NAME: [a, b]}}"
        body = need_mapping(raw, example)
        if "template" not in body or "for_each" not in body or body.keys() - {"template", "for_each", "permutations"}:
            raise Bad("repeat needs template and for_each", example)
        each = need_mapping(self._inside(body["for_each"], "for_each"), "write {NAME: [a, b]}")
        lists = [list(values) if isinstance(values, dict) else need_list(values) for values in each.values()]
        permutations = boolean(self._inside(body.get("permutations", True), "permutations"))
        if permutations is None:
            raise Bad("permutations must be true or false", "write true or false", ("permutations",))
        if not permutations and len({len(one) for one in lists}) > 1:
            raise Bad("the lists of for_each are not equally long", "make them so, or remove permutations: false")
        rounds: Iterator[tuple[Raw, ...]] = itertools.product(*lists) if permutations else zip(*lists, strict=True)
        made = []
        for values in rounds if lists else ():
            self._budget.spend(1)
            made.append(self._inside(self._put(body["template"], dict(zip(each, values, strict=True))), "template"))
        return made

    def _put(self, template: Raw, words: dict[str, Raw]) -> Raw:
        """The template of ``repeat`` with its words replaced; a text that is a word becomes the value itself."""
        self._budget.spend(1 + (len(template) * (1 + len(words)) if isinstance(template, str) else 0))
        if isinstance(template, str):
            if template in words:
                return words[template]
            text = str(template)
            found = False
            for word, value in words.items():
                if word and word in text:
                    replacement = in_text(value)
                    self._budget.spend(text.count(word) * len(replacement))
                    text, found = text.replace(word, replacement), True
            return text if found else template
        if isinstance(template, dict):
            return {in_text(self._put(k, words)): self._put(v, words) for k, v in template.items()}
        if isinstance(template, list):
            return [self._put(item, words) for item in template]
        return template

    def _if(self, raw: Raw) -> Raw:
        if not isinstance(raw, list) or not 2 <= len(raw) <= 3:
            raise Bad("if is of another shape", "write if: [CONDITION, VALUE, OTHERWISE]")
        try:
            chosen = 1 if self.decided(raw[0]) else 2
        except Bad as bad:
            raise deeper(bad, 0) from None
        return self._inside(raw[chosen], chosen) if chosen < len(raw) else None

    def _contains(self, raw: Raw) -> bool:
        value, sequence = self._arguments("contains", raw, 2, 2, "[a, [a, b]]")
        self._budget.spend(len(sequence) if isinstance(sequence, (list, str)) else 1)
        if isinstance(sequence, str):
            return need_text(value) in sequence
        return in_text(value) in [in_text(one) for one in need_list(sequence)]

    def decided(self, raw: Raw) -> bool:
        """A condition: the name of one, or a function. Raises Bad, or Told."""
        self._depth += 1
        try:
            if self._depth > DEPTH:
                raise Bad(f"leads through more than {DEPTH} others", "write the condition out")
            return self._decided(raw)
        finally:
            self._depth -= 1

    def _decided(self, raw: Raw) -> bool:
        if isinstance(raw, str) and (raw in self._conditions or boolean(raw) is None):
            return self._named(raw)
        if isinstance(raw, dict) and len(raw) == 1:
            ((name, body),) = raw.items()
            if name == "equals":
                one, other = (in_text(part) for part in self._arguments(name, body, 2, 2, "[a, b]"))
                self._budget.spend(len(one) + len(other))
                return one == other
            if name == "not":
                return not self._decided_inside(body, name)
            if name in ("and", "or") and isinstance(body, list) and body:
                decisions = [self._decided_inside(one, position) for position, one in enumerate(body)]
                return all(decisions) if name == "and" else any(decisions)
            if name in ("get_param", "contains", "if"):
                return self._truth(self.value(raw))
            known = ("equals", "not", "and", "or", "get_param", "contains", "if")
            raise Bad(
                f"is {show(name)}, which decides nothing", suggest(name, known, f"write one of {', '.join(known)}")
            )
        return self._truth(raw)

    def _decided_inside(self, raw: Raw, step: str | int) -> bool:
        self._budget.spend(1)
        try:
            return self.decided(raw)
        except Bad as bad:
            raise deeper(bad, step) from None

    def _truth(self, value: Raw) -> bool:
        decided = boolean(value)
        if decided is None:
            raise Bad(f"is {describe(value)}, which is no condition", "write true or false, or a condition's name")
        return decided

    def _named(self, name: str) -> bool:
        if name not in self._conditions:
            raise Bad(
                f"refers to condition {show(name)}, which is not there", suggest(name, self._conditions, "declare it")
            )
        if name in self._deciding:
            raise Bad(f"asks for condition {show(name)}, which asks for itself", "break the circle")
        self._deciding.append(name)
        try:
            return self.decided(self._conditions[name])
        except Bad as bad:
            raise Bad(f"asks for condition {show(name)}, which {bad.message}", bad.hint) from None
        finally:
            self._deciding.pop()


def _unique(items: list[Any]) -> list[Any]:
    return list({in_text(item): item for item in items}.values())
