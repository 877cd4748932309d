"""The repository tests itself: what a reader may rely on without looking."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import tomllib
from pathlib import Path

import pytest

from segue.model import stages
from segue.model.program import Next, Output, Rule, SetField, match

ROOT = Path(__file__).parent.parent.parent
SOURCES = sorted((ROOT / "src" / "segue").rglob("*.py"))
LONGEST = 600


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [*SOURCES, *sorted((ROOT / "tests").rglob("*.py"))], ids=_name)
def test_no_file_is_too_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_no_room_is_empty() -> None:
    for room in (ROOT / "src" / "segue").iterdir():
        if room.is_dir() and room.name != "__pycache__":
            assert len(list(room.rglob("*.py"))) > 1, f"{room.name} is a promise, not a room"


def _generator() -> dict[str, object]:
    spec = importlib.util.spec_from_file_location("generate_docs", ROOT / "scripts" / "generate_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PAGES  # type: ignore[no-any-return]


@pytest.mark.parametrize("page", sorted(_generator()))
def test_generated_pages_are_current(page: str) -> None:
    written = (ROOT / "docs" / page).read_text()
    assert written == _generator()[page](), "run `make docs`"  # type: ignore[operator]


def test_the_pipeline_changes_only_on_purpose() -> None:
    """A fingerprint: whoever changes a stage sees this fail, and changes the number knowingly."""
    text = repr(
        [
            (s.name, sorted(s.matches), sorted(s.writes), s.next, s.outputs, sorted(s.requires), s.injected)
            for s in stages.STAGES
        ]
    )
    assert hashlib.sha256(text.encode()).hexdigest()[:12] == FINGERPRINT


FINGERPRINT = "556207d962bf"


def test_stages_lead_to_stages_that_exist() -> None:
    for stage in stages.STAGES:
        assert all(onward in stages.BY_NAME for onward in stage.next)


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (Rule("nowhere", 1, (), (), "t"), "no stage"),
        (Rule("deliver", 1, match(eth_src=1), (), "t"), "may not match eth_src"),
        (Rule("deliver", 1, (), (Next("classify"),), "t"), "may not go on to classify"),
        (Rule("classify", 1, (), (Output(1),), "t"), "may not send packets out"),
        (Rule("classify", 1, (), (SetField("eth_src", 1),), "t"), "may not write eth_src"),
    ],
)
def test_a_rule_outside_its_contract_is_refused(rule: Rule, why: str) -> None:
    with pytest.raises(stages.OutOfContract, match=why):
        stages.check(rule)


def test_the_lock_pins_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {
        line.split("==")[0].lower() for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line
    }
    for requirement in project["dependencies"]:
        assert requirement.split(">")[0].split("=")[0].strip().lower() in pinned
