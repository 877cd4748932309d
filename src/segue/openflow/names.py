"""Numbers that have names in the specification: `class PortReason(Numbers, prefix="OFPPR_")`.

The values are plain integers, because a later switch may invent others and because plain integers are fast. What the
class adds is the specification's spelling of each, for JSON and for people: prefix and member together. `Flags`
are bit maps, in JSON a list of names.
"""

from typing import Any, ClassVar


class Numbers:
    """An open enumeration: known numbers have a name, others stay numbers."""

    PREFIX: ClassVar[str] = ""
    _names: ClassVar[dict[int, str]] = {}
    _values: ClassVar[dict[str, int]] = {}

    def __init_subclass__(cls, prefix: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.PREFIX = prefix
        members = {name: value for name, value in vars(cls).items() if name.isupper() and type(value) is int}
        cls._names = {value: prefix + name for name, value in reversed(members.items())}
        cls._values = {prefix + name: value for name, value in members.items()}

    @classmethod
    def name_of(cls, value: int) -> str | None:
        """The specification's name of `value`, None where it has none."""
        return cls._names.get(value)

    @classmethod
    def value_of(cls, name: str) -> int | None:
        """The number that has this name, with or without the prefix."""
        found = cls._values.get(name)
        return cls._values.get(cls.PREFIX + name) if found is None else found

    @classmethod
    def all_names(cls) -> dict[str, int]:
        """Every name with its number."""
        return dict(cls._values)


class Flags(Numbers):
    """A bit map: members are masks, of one bit or of several."""
