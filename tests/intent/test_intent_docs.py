"""The reference says what is so: its examples read well, its errors are those that appear, no field is missing."""

import re
from pathlib import Path

import pytest
from test_intent_schema import fits

from segue import intent
from segue.intent.fields import FIELDS, SHORT
from segue.intent.labread import HOST

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


def test_links_lead_to_headings():
    headings = {
        re.sub(r"[^a-z -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^## (.*)$", TEXT, re.MULTILINE)
    }
    assert set(re.findall(r"\(#(.*?)\)", TEXT)) == headings
