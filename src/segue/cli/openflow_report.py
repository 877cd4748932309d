"""What came back in a replay, beside what was recorded."""

from __future__ import annotations

from collections import Counter
from typing import Any

from segue.cli.openflow_decode import to_object
from segue.cli.openflow_frames import Frame
from segue.cli.openflow_sources import Said
from segue.cli.tables import table

_MOST = 20
"""Errors that are told one by one in text."""


def name_of(data: bytes) -> str:
    """What a message is called: its type, or of multipart messages what they are about."""
    obj = to_object(Said(Frame(0, data)))
    if "undecoded" in obj:
        return f"not OpenFlow (type {data[1]})" if len(data) > 1 else "not OpenFlow"
    return str(obj.get("multipart_type") or obj["type"])


class Report:
    """All connections together."""

    def __init__(self) -> None:
        self.sent = 0
        self.recorded: Counter[str] = Counter()
        self.now: Counter[str] = Counter()
        self.recorded_errors: Counter[tuple[Any, Any]] = Counter()
        self.errors: list[dict[str, Any]] = []
        self.problems: list[str] = []
        self.broken = False

    def expected(self, data: bytes) -> None:
        self.recorded[name_of(data)] += 1
        if data[1:2] == b"\x01":
            self.recorded_errors[_code(_error(data))] += 1

    def received(self, data: bytes) -> None:
        self.now[name_of(data)] += 1
        if data[1:2] == b"\x01":
            self.errors.append(_error(data))

    def problem(self, text: str, *, fatal: bool = False) -> None:
        self.problems.append(text)
        self.broken |= fatal

    @property
    def new_errors(self) -> list[dict[str, Any]]:
        """Those that the recording does not have."""
        left = Counter(self.recorded_errors)
        new = []
        for error in self.errors:
            if left[_code(error)] > 0:
                left[_code(error)] -= 1
            else:
                new.append(error)
        return new

    @property
    def differences(self) -> dict[str, tuple[int, int]]:
        names = sorted(self.recorded.keys() | self.now.keys())
        counted = {name: (self.recorded[name], self.now[name]) for name in names}
        return {name: both for name, both in counted.items() if both[0] != both[1]}

    @property
    def failed(self) -> bool:
        return self.broken or bool(self.new_errors)

    def as_json(self) -> dict[str, Any]:
        return {
            "sent": self.sent,
            "received": self.now.total(),
            "differences": {name: {"recorded": then, "now": now} for name, (then, now) in self.differences.items()},
            "errors": self.new_errors,
            "problems": self.problems,
        }

    def lines(self) -> list[str]:
        lines = [f"{self.sent} messages sent, {self.now.total()} came back"]
        if self.differences:
            rows: list[list[str | int | tuple[str, str]]] = [
                [name, then, now] for name, (then, now) in self.differences.items()
            ]
            lines += ["what came back otherwise than it was recorded:", table(["MESSAGE", "RECORDED", "NOW"], rows)]
        elif not self.broken:
            lines.append("of each type as many as were recorded")
        new = self.new_errors
        for error in new[:_MOST]:
            about = bytes.fromhex(error["data"]) if isinstance(error.get("data"), str) else b""
            subject = f" about {_subject(about)}" if len(about) >= 8 else ""
            lines.append(f"error: {error.get('error_type')} {error.get('code')} (xid {error.get('xid')}){subject}")
        if len(new) > _MOST:
            lines.append(f"and {len(new) - _MOST} other errors")
        return lines + self.problems


def _subject(data: bytes) -> str:
    whole = data if int.from_bytes(data[2:4], "big") == len(data) else b""
    return name_of(whole) if whole else f"a message of type {data[1]}"


def _error(data: bytes) -> dict[str, Any]:
    return to_object(Said(Frame(0, data)))


def _code(error: dict[str, Any]) -> tuple[Any, Any]:
    return error.get("error_type"), error.get("code")
