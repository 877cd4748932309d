"""``segue token``."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cli_session import Session

from segue.api.token_file import change, read
from segue.api.tokens import SECRET_BYTES, admit, new_token


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "tokens.yaml")


def create(nowhere: Session, file: str, *words: str) -> str:
    ran = nowhere("token", "create", "--file", file, *words)
    assert ran.status == 0, ran.err
    assert ran.out.count("\n") == 1 and "not shown again" in ran.err
    return ran.out.strip()


@pytest.mark.parametrize("name", ["tokens.yaml", "tokens.json"])
def test_a_token_is_printed_once_and_kept_as_a_hash(nowhere: Session, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    first = create(nowhere, str(file), "--project", "web", "--role", "member", "--for", "the shop")
    second = create(nowhere, str(file), "--role", "admin")
    assert first != second
    text = file.read_text()
    assert first.partition(".")[2] not in text and text.startswith("{" if name.endswith("json") else "tokens:")
    assert file.stat().st_mode & 0o777 == 0o600
    tokens = read(file)[0]
    token = admit(tokens, first, datetime.now(UTC))
    assert not isinstance(token, str)
    assert (token.project, token.roles, token.purpose, token.expires) == ("web", ("member",), "the shop", None)
    assert [t.project for t in tokens.values()] == ["web", "admin"]


def test_when_it_expires(nowhere: Session, file: str) -> None:
    create(nowhere, file, "--role", "agent", "--id", "a", "--expires", "30d")
    create(nowhere, file, "--role", "agent", "--id", "b", "--expires", "2999-01-31T12:00:00Z")
    tokens = read(Path(file))[0]
    expires = tokens["a"].expires
    assert expires is not None
    assert abs(expires - datetime.now(UTC) - timedelta(days=30)) < timedelta(minutes=1)
    assert tokens["b"].expires == datetime(2999, 1, 31, 12, tzinfo=UTC)


def test_list_shows_all_but_the_secret_and_its_hash(nowhere: Session, file: str) -> None:
    create(nowhere, file, "--role", "member", "--role", "reader", "--project", "web", "--id", "a", "--for", "x")
    over = new_token("b", bytes(SECRET_BYTES), "web", ["agent"], datetime(2020, 1, 1, tzinfo=UTC))[1]
    change(Path(file), lambda there: {**there, "b": over})
    out = nowhere("token", "list", "--file", file).out
    assert [line.split() for line in out.splitlines()] == [
        ["ID", "PROJECT", "ROLES", "EXPIRES", "FOR"],
        ["a", "web", "member,", "reader", "never", "x"],
        ["b", "web", "agent", "2020-01-01", "00:00Z", "(over)"],
    ]
    listed = nowhere("token", "list", "--file", file, "-o", "json").out
    assert json.loads(listed)[0] == {"id": "a", "project": "web", "roles": ["member", "reader"], "for": "x"}
    assert "sha256" not in out + listed


def test_revoke(nowhere: Session, file: str) -> None:
    for name in "abc":
        create(nowhere, file, "--role", "admin", "--id", name)
    before = Path(file).read_bytes()
    ran = nowhere("token", "revoke", "a", "x", "--file", file)
    assert ran.status == 2 and "no token 'x'" in ran.err and Path(file).read_bytes() == before
    assert nowhere("token", "revoke", "a", "c", "--file", file).out == "token a is revoked\ntoken c is revoked\n"
    assert list(read(Path(file))[0]) == ["b"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--role", "member"], "write --project NAME"),
        (["--role", "root"], "invalid choice"),
        (["--project", "web"], "--role"),
        (["--role", "admin", "--expires", "soon"], "'soon' is no time"),
        (["--role", "admin", "--expires", "2020-01-01T00:00:00Z"], "is over already"),
        (["--role", "admin", "--expires", "999999w"], "is no time"),
        (["--role", "admin", "--id", "a.b"], "no such token"),
        (["--role", "admin", "--id", "there"], "already"),
        (["--role", "member", "--project", ""], "no such token"),
    ],
)
def test_mistakes_leave_the_file_alone(nowhere: Session, file: str, words: list[str], said: str) -> None:
    create(nowhere, file, "--role", "admin", "--id", "there")
    before = Path(file).read_bytes()
    ran = nowhere("token", "create", "--file", file, *words)
    assert (ran.status, ran.out) == (2, "") and said in ran.err
    assert Path(file).read_bytes() == before


def test_a_broken_file_is_not_written_over(nowhere: Session, file: str) -> None:
    Path(file).write_text("tokens: [")
    for words in (["create", "--role", "admin"], ["list"], ["revoke", "a"]):
        ran = nowhere("token", *words, "--file", file)
        assert (ran.status, ran.out) == (1, "") and "no YAML" in ran.err
    assert Path(file).read_text() == "tokens: ["
    assert nowhere("token", "create", "--role", "admin", "--file", "/nowhere/tokens").status == 1


def test_many_writers_lose_nothing_and_leave_nothing_behind(file: str) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom segue.api.token_file import change\n"
        "from segue.api.tokens import new_token\n"
        "for n in range(20):\n"
        "    token = new_token(f'{sys.argv[2]}-{n}', bytes(32), 'web', ['member'])[1]\n"
        "    change(Path(sys.argv[1]), lambda there: {**there, token.id: token})\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, file, str(number)]) for number in range(4)]
    seen = 0
    while any(writer.poll() is None for writer in writers):
        if Path(file).exists():
            now = len(read(Path(file))[0])  # raises where it is half written
            assert now >= seen
            seen = now
    assert [writer.returncode for writer in writers] == [0] * 4
    assert len(read(Path(file))[0]) == 80
    assert [path.name for path in Path(file).parent.iterdir()] == [Path(file).name]


def test_a_writer_that_fails_leaves_the_file_as_it_was(
    nowhere: Session, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(nowhere, file, "--role", "admin", "--id", "a")
    before = Path(file).read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        ran = nowhere("token", "create", "--role", "admin", "--file", file)
    assert ran.status == 1 and "no space left" in ran.err and ran.out == ""
    assert Path(file).read_bytes() == before
    assert [path.name for path in Path(file).parent.iterdir()] == [Path(file).name]


@pytest.mark.root
def test_the_file_stays_its_owners(nowhere: Session, file: str) -> None:
    create(nowhere, file, "--role", "admin")
    import os

    os.chown(file, 65534, 65534)
    create(nowhere, file, "--role", "admin")
    found = Path(file).stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (65534, 65534, 0o600)
