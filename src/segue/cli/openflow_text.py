"""A message's JSON for people: one line that says what it is, and below it what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WIDTH = 116
_LONG = 128
"""Characters: longer text is shown by its beginning."""
_HEAD = ("time", "connection", "datapath", "from", "to", "version", "type", "multipart_type", "xid")


def render(obj: Mapping[str, Any]) -> str:
    """Lines without a newline at the end."""
    words = []
    if "time" in obj:
        words.append(str(obj["time"]).partition("T")[2].removesuffix("Z"))
    if "connection" in obj:
        words.append(f"#{obj['connection']}")
    if "datapath" in obj:
        words.append(str(obj["datapath"]))
    if "from" in obj:
        words.append(f"{obj['from']} > {obj['to']}:" if "to" in obj else f"{obj['from']}:")
    if "undecoded" in obj:
        return "\n".join(
            [" ".join([*words, f"not OpenFlow at offset {obj['offset']}"]), f"  {obj['reason']}", *_octets(obj)]
        )
    kind = obj.get("multipart_type")
    words.append(f"{obj['type']}{f' {kind}' if kind else ''} ({obj['version']}, xid {obj.get('xid', 0)})")
    return "\n".join([" ".join(words), *_body({key: value for key, value in obj.items() if key not in _HEAD}, 2)])


def _octets(obj: Mapping[str, Any]) -> list[str]:
    return [f"  {_short(obj['undecoded'])}"] if obj["undecoded"] else []


def _body(obj: Mapping[str, Any], indent: int) -> list[str]:
    plain = {key: value for key, value in obj.items() if _plain(value) and value not in ("", [], None)}
    lines = _wrapped([f"{key}={_word(value)}" for key, value in plain.items()], indent)
    for key, value in obj.items():
        if key in plain or value in ("", [], None):
            continue
        if isinstance(value, Mapping):
            lines += _object(key, value, indent)
        else:
            lines.append(f"{' ' * indent}{key}:")
            for one in value:
                lines += _element(one, indent + 2)
    return lines


def _object(key: str, value: Mapping[str, Any], indent: int) -> list[str]:
    if "type" not in value and all(_plain(inner) for inner in value.values()):
        words = [f"{name}={_word(inner)}" for name, inner in value.items()] or ["any" if key == "match" else "none"]
        return _wrapped([f"{key}:", *words], indent)
    return [f"{' ' * indent}{key}:", *_element(value, indent + 2)]


def _element(value: Any, indent: int) -> list[str]:
    if not isinstance(value, Mapping):
        return [f"{' ' * indent}{_word(value)}"]
    title = [str(value["type"])] if "type" in value else []
    if "multipart_type" in value:
        title.append(str(value["multipart_type"]))
    rest = {key: inner for key, inner in value.items() if key not in ("type", "multipart_type")}
    plain = {key: inner for key, inner in rest.items() if _plain(inner)}
    words = [f"{key}={_word(inner)}" for key, inner in plain.items() if inner not in ("", [], None)]
    lines = _wrapped([*title, *words], indent) or [" " * indent + "-"]
    return lines + _body({key: inner for key, inner in rest.items() if key not in plain}, indent + 2)


def _plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(not isinstance(one, (Mapping, list)) for one in value)
    if isinstance(value, Mapping):
        return value.keys() == {"value", "mask"} or value.keys() == {"sec", "nsec"}
    return True


def _word(value: Any) -> str:
    if isinstance(value, Mapping):
        if "sec" in value:
            return f"{value['sec']}.{value['nsec']:09}s"
        return f"{value['value']}/{value['mask']}"
    if isinstance(value, list):
        return ",".join(map(_word, value))
    return _short(value) if isinstance(value, str) else str(value)


def _short(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[: _LONG - 32]}... ({len(text)} characters)"


def _wrapped(words: list[str], indent: int) -> list[str]:
    lines: list[str] = []
    line = ""
    for word in words:
        if line and indent + len(line) + 1 + len(word) > WIDTH:
            lines.append(" " * indent + line)
            indent_more = "  "
            line = indent_more + word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, " " * indent + line] if line else lines
