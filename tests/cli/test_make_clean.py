"""``make clean`` removes what the examples leave up, and nothing of anybody else."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"
SEGUE = """#!/bin/sh
case "$*" in
    --version) echo segue 1 ;;
    "lab list -o name") [ ! -e labs ] || cat labs ;;
    "lab down stuck") exit 1 ;;
    "lab down "*) echo "$3" >> down ;;
    *) exit 9 ;;
esac
"""


def _examples() -> list[Path]:
    """Without what the examples of services share, which makes the labs that these name."""
    found = (*EXAMPLES.iterdir(), *(EXAMPLES / "services").iterdir())
    return sorted(path for path in found if path.is_file() and path.name != "common.py")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What ``make clean`` needs, with a command in place of Segue's that writes down what goes."""
    (tmp_path / "scripts").mkdir()
    for name in ("Makefile", "scripts/clean"):
        shutil.copy(ROOT / name, tmp_path / name)
    for path in _examples():
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.touch()
    command = tmp_path / ".venv" / "bin" / "segue"
    command.parent.mkdir(parents=True)
    command.write_text(SEGUE)
    command.chmod(0o755)
    return tmp_path


def clean(checkout: Path, *labs: str) -> tuple[int, list[str]]:
    (checkout / "labs").write_text("".join(f"{lab}\n" for lab in labs))
    done = subprocess.run(["make", "-s", "clean"], cwd=checkout, capture_output=True, text=True, timeout=30)
    down = checkout / "down"
    return done.returncode, down.read_text().split() if down.exists() else []


def test_the_labs_of_all_examples_go_and_others_stay(checkout: Path) -> None:
    status, down = clean(checkout, "mine", "openstack", "web", "web2", "ips", "dragonflow")
    assert (status, down) == (0, ["openstack", "web", "ips", "dragonflow"])


def test_one_that_cannot_be_removed_does_not_keep_the_others_up(checkout: Path) -> None:
    (checkout / "examples" / "stuck.py").touch()
    status, down = clean(checkout, "dragonflow", "stuck", "web")
    assert status != 0 and down == ["dragonflow", "web"]


def test_nothing_is_done_where_nothing_is_there(checkout: Path) -> None:
    assert clean(checkout) == (0, [])
    (checkout / ".venv" / "bin" / "segue").unlink()
    assert clean(checkout, "web") == (0, [])


def _left_up(path: Path) -> set[str]:
    """The names of the labs that an example makes."""
    text = path.read_text()
    if path.suffix == ".sh":
        return set(re.findall(r"^LAB=\$\{LAB:-(\w+)\}", text, re.MULTILINE))
    if path.suffix == ".yaml":
        named = yaml.safe_load(text).get("lab") or {}
        return {named["name"]} if "name" in named else set()
    return set(re.findall(r'Lab\.load\("(\w+)"\)', text))


@pytest.mark.parametrize("path", _examples(), ids=lambda p: p.name)
def test_an_example_leaves_no_lab_but_one_of_its_own_name(path: Path) -> None:
    if re.search(r'"lab", "up"|lab up|^lab:', path.read_text(), re.MULTILINE):
        assert _left_up(path) == {path.stem}
