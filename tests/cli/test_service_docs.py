"""docs/services.md: every command is run, in order, against a new server; its tables are the code's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cli_session import DOCS, a_server

from segue.cli.defaults import SERVER
from segue.model.hooks import HOOKS
from segue.model.intent import DESTINATIONS, REWRITES, SOURCES, Permissions

PAGE = (DOCS / "services.md").read_text()


@pytest.mark.slow
def test_every_command_prints_what_is_shown(tmp_path: Path) -> None:
    shown = [
        part.partition("\n")
        for block in re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
        for part in block.removeprefix("$ ").split("\n$ ")
    ]
    assert len(shown) > 8
    assert shown.pop(0) == (f"export SEGUE_SERVER={SERVER}", "", ""), "the page itself says where the server is"
    with a_server(tmp_path) as url:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        for command, _, printed in shown:
            ran = subprocess.run(
                command,
                shell=True,
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
                cwd=tmp_path,
                env={**os.environ, "PATH": path, "SEGUE_SERVER": url},
            )
            assert ran.stderr == "", command
            assert ran.stdout.rstrip("\n") == printed.rstrip("\n"), command


def test_the_hooks_are_the_model_s() -> None:
    for hook in HOOKS.values():
        whose = "from" if hook.from_element else "to"
        row = f"| `{hook.name}` | {whose} the element | {', '.join(hook.elements)} | {hook.been} | {hook.to_come} |"
        assert row in PAGE


def test_every_permission_is_explained() -> None:
    for name in Permissions.__struct_fields__:
        assert re.search(rf"^\| `{name}` \|", PAGE, re.MULTILINE), name
    rewrite = next(line for line in PAGE.splitlines() if line.startswith("| `rewrite` |"))
    always, _, some = rewrite.partition("at `ingress`")
    sources, _, not_at = some.partition("; not at ")
    assert set(re.findall("`(.*?)`", always)) == {"rewrite", *REWRITES} - set(SOURCES)
    assert set(re.findall("`(.*?)`", sources)) == {"egress", *SOURCES}
    assert set(re.findall("`(.*?)`", not_at)) == {"forward", "post-routing", *DESTINATIONS}


def test_every_error_that_is_named_is_one() -> None:
    from segue.openflow.protocol.errors import error_message
    from segue.openflow.wire import V10, V13, V15

    names = set(re.findall(r"`(OFP(?:BAC|BMC|BIC|BRC|FMFC|GMFC|MMFC|PMFC|TMFC)_\w+)`", PAGE))
    assert len(names) > 15
    for name in names:
        for version in (V10, V13, V15):
            assert error_message(version, name)
