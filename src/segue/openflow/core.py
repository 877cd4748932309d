"""Which core there is: the compiled one where it was built, and otherwise generated Python.

Both do the same, message for message and error for error; the compiled one is several times faster. Without a C
compiler at installation there is none; with SEGUE_PURE_PYTHON=1 in the environment it is not used.
"""

import os
from collections.abc import Callable
from struct import Struct
from struct import error as StructError  # noqa: N812
from typing import TYPE_CHECKING, Any, Final

from segue.openflow.declare import Record
from segue.openflow.wire import ProtocolError

if TYPE_CHECKING:
    from segue.openflow.pump import Pump as Pump

Make = Callable[[], Callable[..., Any]]
_core: Any = None
if os.environ.get("SEGUE_PURE_PYTHON", "0") in ("", "0"):
    try:
        from segue.openflow import _core as _found

        _core = _found if hasattr(_found, "Pump") else None  # a folder of C files is no module of this name
    except ImportError:
        pass

COMPILED: Final[bool] = _core is not None
Match: Final[Any] = _core.Match if COMPILED else None
"""See `match_given`, which has it under all circumstances."""


def setup(nested: Any) -> None:
    """Tells the compiled core what it refers to."""
    if COMPILED:
        _core.setup(nested, ProtocolError)


def writer(record: type[Record], version: int, make: Make, codec: Any) -> Callable[..., bytes]:
    """`(record, xid=0) -> bytes`. `make` generates the function in Python."""
    if not COMPILED:
        return make()
    from segue.openflow import core_programs

    made: Callable[..., bytes] = core_programs.writer(record, version, make, codec)
    return made


def reader(record: type[Record], version: int, make: Make, codec: Any) -> Callable[[bytes, int, int], Any]:
    """`(bytes, offset, end) -> record`, or `-> (record, after)` for a record without a family."""
    if not COMPILED:
        return make()
    from segue.openflow import core_programs

    made: Callable[[bytes, int, int], Any] = core_programs.reader(record, version, make, codec)
    return made


def frame_field(name: str, offset: int, size: int, least: int, doc: str) -> int:
    """A property: the number in `size` octets at `offset` of the octets in the field `name`; 0 if there are less than
    `least` of them. (A class has the property, and its instances the number.)"""
    at, form, number = offset, {1: "B", 2: "H", 4: "I", 6: "Q"}[size], "{}"
    if size == 6:  # with the two octets before it, or behind it
        at, number = (offset - 2, f"{{}} & {(1 << 48) - 1:#x}") if offset >= 2 else (offset, "{} >> 16")
    behind = least - at - Struct(f">{form}").size
    form = f">{at}x{form}{behind}x"
    source = f"def read(record):\n try: return {number.format(f'unpack(record.{name})[0]')}\n except error: return 0\n"
    space: dict[str, Any] = {"unpack": Struct(form).unpack_from, "error": StructError}
    exec(source, space)
    read = space["read"]
    read.__doc__ = doc
    made: Any = _core.FrameField(name, offset, size, least, read) if COMPILED else property(read)
    return made  # type: ignore[no-any-return]


def __getattr__(name: str) -> Any:
    """`Pump`. The one in Python needs the codec, which needs this module."""
    if name != "Pump":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if COMPILED:
        return _core.Pump
    from segue.openflow import pump

    return pump.Pump
