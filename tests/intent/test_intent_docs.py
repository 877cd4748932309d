"""The reference says what is so: its examples read well, its errors are those that appear, no field is missing."""

import re
from pathlib import Path

import pytest
from msgspec.structs import fields
from test_intent_schema import fits

from segue import intent
from segue.intent.fields import FIELDS, SHORT
from segue.intent.labread import HOST
from segue.model.intent import KINDS

TEXT = (Path(__file__).parents[2] / "docs" / "intent.md").read_text()
BLOCKS = re.findall(r"^```(.*)\n((?:.*\n)*?)```$", TEXT, re.MULTILINE)
GOOD = [body for kind, body in BLOCKS if kind == "yaml"]


@pytest.mark.parametrize("block", GOOD)
def test_examples_read(block):
    intent.parse(block, "intent.yaml")
    assert fits(block)


def test_first_example_in_both_forms():
    short, long = (intent.parse(block, "t").objects for block in GOOD[:2])
    assert short == long
    assert intent.dump(short) == GOOD[1]


def test_errors_are_those_shown():
    (wrong,) = (body for kind, body in BLOCKS if kind == "yaml wrong")
    (shown,) = (body for kind, body in BLOCKS if kind == "text")
    with pytest.raises(intent.IntentError) as caught:
        intent.parse(wrong, "intent.yaml")
    assert f"{caught.value}\n" == shown


def test_every_field_is_explained():
    for table in (*FIELDS.values(), *SHORT.values(), HOST):
        for field in table:
            assert f"`{field}`" in TEXT, field


NUMBERS = [
    (kind, name, field.type.schema["minimum"], field.type.schema["maximum"])
    for kind, table in FIELDS.items()
    for name, field in table.items()
    if field.type.schema.keys() >= {"minimum", "maximum"}
]


@pytest.mark.parametrize(("kind", "name", "low", "high"), NUMBERS, ids=[f"{kind} {name}" for kind, name, *_ in NUMBERS])
def test_tables_say_which_numbers_there_are_and_which_is_there_without_one(kind, name, low, high):
    section = TEXT.partition(f"\n## {kind.title()}s\n")[2].partition("\n## ")[0]
    ((meaning, default),) = re.findall(rf"^\| `{name}` \| (.*) \| `(.*)` \|$", section, re.MULTILINE)
    assert re.findall(r"\d+ to \d+", meaning) == [f"{low} to {high}"]
    (field,) = (field for field in fields(KINDS[kind]) if field.name == name)
    assert default == str(field.default)


def test_links_lead_to_headings():
    headings = {
        re.sub(r"[^a-z -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^## (.*)$", TEXT, re.MULTILINE)
    }
    assert set(re.findall(r"\(#(.*?)\)", TEXT)) == headings
