"""Upstream's own tests of the API against Segue: networking-sfc's, all 208 that a server can be asked
(``upstream.py``), and the tempest plugin's (``tempest_tests.py``)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from clients import PYTHON, serving, token

pytestmark = pytest.mark.slow

PROJECT = "7cba8f3a-5a4f-4f41-8a0c-5a6c4e0a9d11"
DEFECTS = {
    "SfcDbPluginTestCase.test_delete_ingress_port_pair_exist": (
        "500 != 409",
        "a port that a port pair uses cannot be deleted: upstream's database fails (500), Segue says so (409)",
    ),
    "SfcDbPluginTestCase.test_delete_egress_port_pair_exist": ("500 != 409", "the same of the other port"),
}
"""Tests that hold upstream to a defect of its own: what they say, and why Segue does otherwise."""

Told = list[dict[str, str]]


def told(program: str, directory: Path, *more: str) -> Told:
    """What a program says that is run by the clients' Python with a server's address and its tokens."""
    file = directory / "tokens.yaml"
    words = [token(file, "admin", "admin"), token(file, "member", PROJECT), *more]
    with serving("--tokens", str(file), "--rate", "0") as url:
        command = [str(PYTHON), "-W", "ignore", str(Path(__file__).parent / program), url, *words]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Told:
    return told("upstream.py", tmp_path_factory.mktemp("upstream"), PROJECT)


def outcomes(tests: Told, outcome: str) -> list[str]:
    return sorted(test["test"] for test in tests if test["outcome"] == outcome)


def test_networking_sfcs_tests_pass_but_those_of_its_defects(replayed: Told) -> None:
    failed = {test["test"]: test["why"].strip().splitlines()[-1] for test in replayed if test["outcome"] == "failed"}
    assert failed == {name: f"AssertionError: {says}" for name, (says, _) in DEFECTS.items()}
    assert len(outcomes(replayed, "passed")) == 206


def test_none_is_left_out_but_those_of_one_process(replayed: Told) -> None:
    assert {test["outcome"] for test in replayed} == {"passed", "failed", "apart"}
    assert len(outcomes(replayed, "apart")) == 52


def test_tempests_tests_pass(tmp_path: Path) -> None:
    tests = told("tempest_tests.py", tmp_path, str(tmp_path))
    assert [test for test in tests if test["outcome"] != "passed"] == []
    assert len(tests) == 21
