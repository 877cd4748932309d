"""Types of the compiled core, which only `core` and `core_programs` use."""

from typing import Any

from segue.openflow.pump import Pump as Pump

def setup(codec: Any, error: type[Exception]) -> None: ...
def adopt(record: type, defaults: list[Any]) -> bool: ...

class Writer:
    def __init__(self, record: type, make: Any, steps: list[Any], absent: list[Any], padded: bool) -> None: ...

class Reader:
    def __init__(self, record: type, make: Any, steps: list[Any], absent: list[Any], ends: int) -> None: ...

class Family:
    def __init__(
        self, find: Any, unknown: Any, inside: bool, subtype: int, plain: bool, length_first: bool
    ) -> None: ...

class Matches:
    def __init__(self, plan: Any, encode: Any, decode: Any, headers: list[Any] | None) -> None: ...

class FrameField:
    def __init__(self, name: str, offset: int, size: int, least: int, fallback: Any) -> None: ...
