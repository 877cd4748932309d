"""The documentation says what is so: links lead somewhere, commands parse, intents read, tables match the code."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from segue import intent
from segue.cli.main import parser
from segue.encap import available
from segue.model.stages import BY_NAME

ROOT = Path(__file__).parent.parent.parent
TOP = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES = [*TOP, *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
SHELL_STOPS = {"|", ">", ">>", "<", ";", "&", "&&", "||"}


def _name(value: object) -> str:
    return str(value.relative_to(ROOT)) if isinstance(value, Path) else str(value)


def _blocks(page: Path, *kinds: str) -> Iterator[str]:
    for kind, body in FENCE.findall(page.read_text()):
        if kind in kinds:
            yield body


def _anchor(heading: str) -> str:
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _anchors(page: Path) -> set[str]:
    prose = FENCE.sub("", page.read_text())
    return {_anchor(heading) for heading in re.findall(r"^#+ (.*)$", prose, re.MULTILINE)}


def _links() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for target in LINK.findall(FENCE.sub("", page.read_text())):
            if not target.startswith(("http://", "https://")):
                yield page, target


def _commands(program: str) -> Iterator[tuple[Path, list[str]]]:
    """The words of every line of shell that begins with ``program``, as far as they are the program's own."""
    for page in PAGES:
        for block in _blocks(page, "sh", "console"):
            for line in block.splitlines():
                words = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=True)
                words.whitespace_split = True
                own = []
                for word in words:
                    if word in SHELL_STOPS:
                        break
                    own.append(word)
                if own[:1] == [program]:
                    yield page, own[1:]


@pytest.mark.parametrize(("page", "target"), list(_links()), ids=_name)
def test_links_lead_somewhere(page: Path, target: str) -> None:
    path, _, anchor = target.partition("#")
    there = (page.parent / path).resolve() if path else page
    assert there.exists()
    if anchor:
        assert anchor in _anchors(there)


@pytest.mark.parametrize(("page", "words"), list(_commands("segue")), ids=_name)
def test_commands_parse(page: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        parser().parse_args(words)
    except SystemExit:
        pytest.fail(capsys.readouterr().err)


def test_the_readme_shows_commands() -> None:
    assert len([words for page, words in _commands("segue") if page.name == "README.md"]) > 5


@pytest.mark.parametrize(("page", "words"), list(_commands("make")), ids=_name)
def test_targets_of_make_exist(page: Path, words: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    for services in re.findall(r"^SERVICES := (.*)$", makefile, re.MULTILINE):
        targets |= set(services.split())
    assert set(words) <= targets


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_python_compiles(page: Path) -> None:
    for block in _blocks(page, "python"):
        compile(block, _name(page), "exec")


@pytest.mark.parametrize("page", [*TOP, ROOT / "docs" / "operations.md"], ids=_name)
def test_intents_read(page: Path) -> None:
    for block in _blocks(page, "yaml"):
        assert intent.parse(block, _name(page)).objects


def test_the_readme_shows_the_example_that_runs() -> None:
    (shown,) = _blocks(ROOT / "README.md", "yaml")
    example = ROOT / "examples" / "dragonflow.yaml"
    assert shown in example.read_text()
    assert intent.parse(shown, "README.md").objects == intent.parse(example.read_bytes(), "example").objects


def test_every_page_is_reached_from_the_readme() -> None:
    linked = {target.partition("#")[0] for page, target in _links() if page.name == "README.md"}
    assert {_name(page) for page in PAGES} - {"README.md"} <= linked


def test_the_architecture_names_every_room() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    rooms = {path.parent.name for path in (ROOT / "src" / "segue").glob("*/__init__.py")}
    assert {room for room in rooms if not re.search(rf"\b{room}\b", text)} == set()


def test_the_architecture_names_stages_that_exist() -> None:
    (drawing,) = (
        block for block in _blocks(ROOT / "docs" / "architecture.md", "text") if block.startswith("  classify")
    )
    for first in re.findall(r"^  (\w[\w, ]*?)   ", drawing, re.MULTILINE):
        assert set(first.split(", ")) <= BY_NAME.keys()


def test_operations_tells_what_encapsulations_add() -> None:
    (line,) = (one for one in (ROOT / "docs" / "operations.md").read_text().splitlines() if one.startswith("| MTU |"))
    for name, encapsulation in available().items():
        assert f"+ {encapsulation.overhead} for `{name}`" in line


@pytest.mark.parametrize("command", ["server", "agent"])
def test_operations_explains_every_option(command: str) -> None:
    (commands,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    text = (ROOT / "docs" / "operations.md").read_text()
    for action in commands.choices[command]._actions:
        for option in action.option_strings:
            if option not in ("-h", "--help"):
                assert f"| `{option} " in text
