"""Whatever a text holds, reading it ends soon, in a Document or an IntentError."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from segue import intent
from segue.intent.text import MAX_SIZE

EXAMPLE = (Path(__file__).parents[2] / "examples" / "dragonflow.yaml").read_text()


def survives(text: bytes | str) -> None:
    try:
        document = intent.parse(text, "t")
    except intent.IntentError as error:
        assert error.problems and str(error)
        str(error).encode()
    else:
        assert all(document.lines[ref] >= 1 for ref in document.objects)


@pytest.fixture
def refusal(counting):
    """Of a text, without more work than its length is worth: 11 calls for each octet at the most."""

    def refuse(text: bytes | str) -> str:
        with pytest.raises(intent.IntentError) as caught, counting(40 * len(text) + 20_000):
            intent.parse(text, "t")
        return str(caught.value)

    return refuse


@given(st.binary() | st.text(st.characters()) | st.text("{}[]:,-?&*!|>'\"%@`# \t\n\\az019~"))
@settings(max_examples=500, deadline=None)
@example("a: &a [*a]")
@example('"\\ud800"')
@example("{a: b")
@example("[1, NaN]")
@example('{"a": 1, "a": 2} x')
@example('{"a": [1}')
@example("%YAML 9.9\n--- a")
@example("? ?")
@example("\x85a: \u2028b: c")
def test_any_text(text):
    survives(text)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_good_text_with_damage(data):
    text = EXAMPLE
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 12)))
        text = text[:start] + data.draw(st.text("{}[]:,-&*!|'\"#/ \n\tnull019.", max_size=4)) + text[end:]
    survives(text)


def test_too_large(refusal):
    assert refusal(b"#" * (MAX_SIZE + 1)) == "t: file is 67.1 MB; the limit is 64 MiB; split it"
    survives(b"#" * MAX_SIZE)
    assert intent.parse("#\u00e9\n", "t", max_size=4).objects == {}
    with pytest.raises(intent.IntentError, match="the limit is 1 MiB"):
        intent.parse("é" * 600_000, "t", max_size=1 << 20)


@pytest.mark.parametrize("text", ["[" * 1_000_000, '{"a":' * 1_000_000, "- " * 1_000_000, "[" * 40 + "]" * 40])
def test_nesting(refusal, text):
    assert "nested deeper than 32 levels" in refusal(text)


@pytest.mark.parametrize("text", ["{a: " * 32 + "}" * 32, json.dumps({"ports": [[[[[[[[[[]]]]]]]]]]})])
def test_nesting_that_is_bearable_is_refused_for_what_it_is(refusal, text):
    assert "nested" not in refusal(text)


def test_bomb_of_aliases(refusal):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    assert 'anchor "a0" is not allowed' in refusal("\n".join(lines))


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"ports": {"p": {"node": "x" * 5_000_000}}}),
        json.dumps({"x" * 5_000_000: 1}),
        '{"chains": {"c": {"match": "a", "through": ["b"], "precedence": ' + "9" * 5_000_000 + "}}}",
        "chains: {c: {match: a, through: [b], precedence: " + "9" * 5_000_000 + "}}",
        "classifiers: {c: {protocol: tcp, source_ports: " + "9" * 5_000_000 + "}}",
        json.dumps({"ports": {str(i): 7 for i in range(100_000)}}),
        json.dumps({str(i): 7 for i in range(100_000)}),
        '{"ports": {' + '"p": {},' * 100_000 + '"p": {}}}',
        json.dumps({"nodes": [f"n{i}" for i in range(100_000)]}),
        json.dumps({"chains": {"c": {"match": "a", "through": [["a"]] * 100_000}}}),
    ],
    ids=range(10),
)
def test_huge_parts_give_short_messages(refusal, text):
    assert len(refusal(text)) < 10_000


@pytest.mark.slow
def test_a_name_that_yaml_takes_for_no_key() -> None:
    with pytest.raises(intent.IntentError, match="a name of 10000 characters; names have at most 63"):
        intent.parse("chains:\n  " + "c" * 10_000 + ":\n    through: [a]\n", "x.yaml")


def test_four_times_as_many_ports_are_four_times_the_work(counting):
    def work(count):
        ports = {
            f"p{i}": {"network": "w", "node": "n", "addresses": [f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}"]}
            for i in range(1, count + 1)
        }
        text = json.dumps({"ports": ports})
        with counting() as calls:
            document = intent.parse(text, "t")
            yaml = intent.dump(document.objects)
            assert intent.parse(yaml, "t").objects == document.objects
        assert len(document.objects) == count
        return calls.made

    assert work(8000) < 4.5 * work(2000)
