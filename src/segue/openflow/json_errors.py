"""The codes of error messages in JSON: their names depend on the version, on the type, and on the experimenter.

`{"type": "OFPT_ERROR", "error_type": "OFPET_BAD_REQUEST", "code": "OFPBRC_BAD_LEN", ...}`. A code that has no name
stays a number. In OpenFlow 1.0 and 1.1 Open vSwitch's own errors stand in `data`, and there they stay.
"""

from segue.openflow.protocol import errors, extension_errors
from segue.openflow.wire import VERSION_NAMES


def code_to_json(version: int, type_number: int, code: int, experimenter: int | None) -> int | str:
    """The name of a code, or the code."""
    return errors.code_name(version, type_number, code, experimenter) or code


def code_from_json(version: int, type_number: int, name: str, experimenter: int | None) -> int:
    """The code that has this name. ValueError: the version has none, or it is another type's."""
    if experimenter is not None:
        made = errors.error_message(version, name)
        if errors.code_name(version, type_number, made.code, experimenter) == name:
            return made.code
        raise ValueError(f"{name!r} is no code of experimenter {experimenter:#x} in OpenFlow {VERSION_NAMES[version]}")
    numbers = errors.code_names(version)
    if name not in numbers:
        there = ", ".join(other for other, (kind, _) in numbers.items() if kind == type_number)
        hint = f"; there are {there}" if there else ""
        raise ValueError(f"{name!r} is no error code of OpenFlow {VERSION_NAMES[version]}{hint}")
    kind, code = numbers[name]
    if kind != type_number:
        raise ValueError(f"{name} is a code of {errors.type_name(version, kind)}, and error_type says another")
    return code


def code_names(version: int) -> list[str]:
    """All that have a name, of experimenters' errors too where those are not in `data`."""
    extensions = [line.partition(" ")[0] for line in extension_errors.TABLE.strip().splitlines()]
    said = [name for name in extensions if errors.error_message(version, name).experimenter is not None]
    return [*errors.code_names(version), *said]
