"""Regular expressions of strangers, matched in a time that their length and the text's bound.

A template's ``allowed_pattern`` comes from whoever applies it, and the standard library's matcher can be made to try
for years. So the pattern becomes a nondeterministic automaton, all of whose states are followed at once (Thompson
1968). What that cannot do (back references, look-around) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from segue.intent.problems import Bad, show

MAX_STATES = 2000
MAX_DEPTH = 20

_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_COUNT = re.compile(r"\{([0-9]{1,4})?(,)?([0-9]{1,4})?\}")
_ONE = re.compile(r"\\[dDwWsStnrfv]|\\[^A-Za-z0-9]", re.DOTALL)

Node = tuple[Any, ...]
"""("one", test) | ("seq", nodes) | ("any", nodes) | ("times", node, least, most or None) | ("start",) | ("end",)."""

Spend = Callable[[int], None]


def matches(pattern: str, text: str, spend: Spend) -> bool:
    """Whether the whole of ``text`` is what ``pattern`` describes. Raises Bad where the pattern is none.

    ``spend`` is told how much work is done, and may raise.
    """
    node = _Reader(pattern).whole()
    states: list[tuple[Any, tuple[int, ...]]] = [("match", ())]
    first = _compile(node, 0, states)
    spend(len(states))
    now = _reach(states, {first}, 0, len(text))
    for position, character in enumerate(text):
        spend(len(now) + 1)
        after = {
            step
            for state in now
            if isinstance(states[state][0], re.Pattern) and states[state][0].match(character)
            for step in states[state][1]
        }
        now = _reach(states, after, position + 1, len(text))
    return 0 in now


def _reach(states: list[tuple[Any, tuple[int, ...]]], begun: set[int], position: int, length: int) -> set[int]:
    """With what follows without a character."""
    seen, todo = set(begun), list(begun)
    while todo:
        test, following = states[todo.pop()]
        if test == "fork" or (test == "start" and position == 0) or (test == "end" and position == length):
            for state in following:
                if state not in seen:
                    seen.add(state)
                    todo.append(state)
    return seen


def _compile(node: Node, then: int, states: list[tuple[Any, tuple[int, ...]]]) -> int:
    """The state at which ``node`` begins when ``then`` comes after it."""

    def add(test: Any, *following: int) -> int:
        if len(states) >= MAX_STATES:
            raise Bad("is a pattern with too many repetitions", "write smaller counts")
        states.append((test, following))
        return len(states) - 1

    match node:
        case ("one", test):
            return add(test, then)
        case ("seq", nodes):
            for part in reversed(nodes):
                then = _compile(part, then, states)
            return then
        case ("any", nodes):
            return add("fork", *[_compile(part, then, states) for part in nodes])
        case ("times", part, least, most):
            if most is None:
                loop = add("fork")
                states[loop] = ("fork", (_compile(part, loop, states), then))
                then = loop
            else:
                end = then
                for _ in range(most - least):
                    then = add("fork", _compile(part, then, states), end)
            for _ in range(least):
                then = _compile(part, then, states)
            return then
    return add(node[0], then)


class _Reader:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.depth = 0

    def whole(self) -> Node:
        node = self.either()
        if self.at < len(self.pattern):
            raise self.wrong("a closing parenthesis too many")
        return node

    def wrong(self, why: str) -> Bad:
        return Bad(f"is {show(self.pattern)}, which is no pattern: {why}", "write a regular expression")

    def next(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def either(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.wrong(f"nested deeper than {MAX_DEPTH}")
        parts = [self.sequence()]
        while self.next() == "|":
            self.at += 1
            parts.append(self.sequence())
        self.depth -= 1
        return parts[0] if len(parts) == 1 else ("any", parts)

    def sequence(self) -> Node:
        parts = []
        while self.next() not in ("", "|", ")"):
            parts.append(self.repeated(self.atom()))
        return ("seq", parts)

    def repeated(self, node: Node) -> Node:
        sign = self.next()
        if sign in ("*", "+", "?") and sign:
            self.at += 1
            least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        elif sign == "{" and (count := _COUNT.match(self.pattern, self.at)) and (count[1] or count[3]):
            self.at = count.end()
            least = int(count[1] or 0)
            most = (int(count[3]) if count[3] else None) if count[2] else least
            if most is not None and most < least:
                raise self.wrong(f"{count[0]} has its ends the wrong way round")
        else:
            return node
        if self.next() == "?":  # lazy: the same, where all of the text must match
            self.at += 1
        elif self.next() in ("*", "+"):
            raise self.wrong("two repetitions in a row")
        return ("times", node, least, most)

    def atom(self) -> Node:
        sign = self.next()
        if sign == "(":
            return self.group()
        if sign in ("^", "$"):
            self.at += 1
            return ("start" if sign == "^" else "end",)
        if sign in ("*", "+", "?"):
            raise self.wrong(f"nothing before {sign}")
        if sign == "[":
            found = _CLASS.match(self.pattern, self.at)
            if found is None:
                raise self.wrong("a [ without its ]")
            return self.one(found[0])
        if sign == "\\":
            found = _ONE.match(self.pattern, self.at)
            if found is None:
                raise self.wrong(f"{self.pattern[self.at : self.at + 2]} is not supported")
            return self.one(found[0])
        if sign == ".":
            return self.one(sign)
        self.at += 1
        return ("one", re.compile(re.escape(sign)))

    def one(self, text: str) -> Node:
        self.at += len(text)
        try:
            return ("one", re.compile(text))
        except re.error as error:
            raise self.wrong(str(error)) from None

    def group(self) -> Node:
        self.at += 1
        if self.next() == "?":
            if self.pattern[self.at : self.at + 2] != "?:":
                raise self.wrong(f"({self.pattern[self.at : self.at + 2]} is not supported")
            self.at += 2
        node = self.either()
        if self.next() != ")":
            raise self.wrong("a ( without its )")
        self.at += 1
        return node
