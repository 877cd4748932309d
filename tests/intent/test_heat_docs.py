"""docs/heat.md names every type and every property: what is read, what is harmless, what is refused."""

import re
from pathlib import Path

import pytest

from segue.intent.heat_functions import REFUSED, Functions
from segue.intent.heat_types import TYPES

TEXT = re.sub(r"```(.|\n)*?```", "", (Path(__file__).parents[2] / "docs" / "heat.md").read_text())
ROWS = {match[1]: match[2] for match in re.finditer(r"^\| (OS::\S+) \| .*? \| (.*) \|$", TEXT, re.MULTILINE)}


def test_every_type_has_a_row():
    assert ROWS.keys() == TYPES.keys()


@pytest.mark.parametrize("name", TYPES)
def test_a_row_names_what_is_read_and_nothing_else(name):
    described = set(re.findall(r"`([^`]+)`", ROWS[name]))
    parts = {"correlation", "weight", "symmetric", "lb_fields", "ppg_n_tuple_mapping"}
    assert described - parts == TYPES[name].read


@pytest.mark.parametrize("name", TYPES)
def test_what_is_harmless_or_refused_is_named(name):
    named = {word for code in re.findall(r"`([^`]+)`", TEXT) for word in re.findall(r"^[\w:]*\w", code)}
    assert TYPES[name].harmless | TYPES[name].refused.keys() <= named


def test_every_function_is_named():
    known = Functions(None, {}, None, None)._table.keys()  # type: ignore[arg-type]
    plain = {name for name in (*known, *REFUSED) if not name.startswith("Fn::") and name != "Ref"}
    assert {name for name in plain if f"`{name}`" not in TEXT} == set()
