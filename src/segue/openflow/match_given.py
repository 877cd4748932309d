"""`Match`: the fields of a match by name, `Match(in_port=1, eth_src=("02:00:00:00:00:00", ...))`.

Wherever a match is wanted, any mapping will do; this one has names that editors and type checkers know, and is the
quickest to make and to write. With the compiled core it is a class that does not change, and otherwise a dict.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from segue.openflow import core

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Unpack

    from segue.openflow.match import Value
    from segue.openflow.match_names import MatchFields

    class Match(Mapping[str, Value]):
        """Fields by name, each with a value, or with a value and its mask."""

        def __init__(self, fields: Mapping[str, Value] = ..., /, **named: Unpack[MatchFields]) -> None: ...
        def __getitem__(self, name: str) -> Value: ...
        def __iter__(self) -> Iterator[str]: ...
        def __len__(self) -> int: ...
        def __or__(self, other: Mapping[str, Value]) -> dict[str, Value]: ...
        def copy(self) -> "Match": ...

elif core.COMPILED:
    Match = core.Match
    Mapping.register(Match)
else:
    Match = dict  # which is quicker to make than a class of our own would be
