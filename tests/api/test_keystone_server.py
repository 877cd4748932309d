"""A server that asks a Keystone, on the wire; the ``openstack`` command as its client."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from api_server import Running, Tokens, running
from fake_keystone import PASSWORD, FakeKeystone
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from segue.api.keystone import REJECTED
from segue.model.protocol import PROTOCOL, Register

NETWORKS = "/v2.0/networks"


@pytest.fixture
def server(fake: FakeKeystone, tmp_path: Path) -> Iterator[Running]:
    with running("--keystone", str(fake.config(tmp_path / "c"))) as found:
        yield found


@contextlib.contextmanager
def forgetful(fake: FakeKeystone, tmp_path: Path) -> Iterator[Running]:
    """A server that remembers tokens for a second."""
    with running("--keystone", str(fake.config(tmp_path / "c", token_cache_time=1))) as found:
        yield found


def make(server: Running, token: str, name: str) -> int:
    body = json.dumps({"network": {"name": name}}).encode()
    return server.ask(NETWORKS, "POST", body, X_Auth_Token=token).status


def names(server: Running, token: str) -> list[str]:
    return sorted(network["name"] for network in server.ask(NETWORKS, X_Auth_Token=token).body["networks"])


# -- who may what -----------------------------------------------------------------------------------------------------


def test_a_project_of_keystone_has_its_own_objects(server: Running, fake: FakeKeystone) -> None:
    alice, bob, root = (fake.token(user) for user in ("alice", "bob", "root"))
    assert make(server, alice, "hers") == make(server, bob, "his") == 201
    assert (names(server, alice), names(server, bob), names(server, root)) == (["hers"], ["his"], ["hers", "his"])
    assert server.ask(NETWORKS, X_Auth_Token=alice).body["networks"][0]["project_id"] == "p-red"
    assert names(server, fake.token("alice")) == ["hers"], "another token of the same project"


def test_roles_of_keystone_hold_on_the_wire(server: Running, fake: FakeKeystone) -> None:
    reader, nobody, root = (fake.token(user) for user in ("ruth", "nobody", "root"))
    assert (make(server, reader, "x"), server.ask(NETWORKS, X_Auth_Token=reader).status) == (403, 200)
    for token in (nobody, fake.token("root", project=None, domain={"id": "default", "name": "Default"})):
        assert server.ask(NETWORKS, X_Auth_Token=token).status == 403
    assert server.ask("/v1/objects", X_Auth_Token=fake.token("alice")).status == 403
    assert server.ask("/v1/objects", X_Auth_Token=root).status == 200
    assert server.ask("/v1/objects", unix=True).status == 200
    assert server.ask("/").status != 401


@pytest.mark.parametrize("token", ["", "gAAAAAwrong", "x" * 9000])
def test_who_has_no_token_hears_where_to_get_one(server: Running, fake: FakeKeystone, token: str) -> None:
    answer = server.ask(NETWORKS, X_Auth_Token=token) if token else server.ask(NETWORKS)
    assert answer.status == 401 and answer.body["error"]["code"] == 401
    assert answer.headers["www-authenticate"] == f'Keystone uri="{fake.url}/v3"'


def test_an_expired_token_is_refused(server: Running, fake: FakeKeystone) -> None:
    assert server.ask(NETWORKS, X_Auth_Token=fake.token("alice", -1)).status == 401
    token = fake.token("alice", 2)
    assert server.ask(NETWORKS, X_Auth_Token=token).status == 200
    time.sleep(2.1)
    assert server.ask(NETWORKS, X_Auth_Token=token).status == 401


def test_a_revoked_token_is_refused_when_it_is_no_longer_remembered(fake: FakeKeystone, tmp_path: Path) -> None:
    with forgetful(fake, tmp_path) as server:
        token = fake.token("alice")
        assert server.ask(NETWORKS, X_Auth_Token=token).status == 200
        del fake.tokens[token]
        time.sleep(1.1)
        assert server.ask(NETWORKS, X_Auth_Token=token).status == 401


def test_access_rules_hold_on_the_wire(fake: FakeKeystone, tmp_path: Path) -> None:
    with running("--keystone", str(fake.config(tmp_path / "c", service_type="network"))) as server:
        rules = [{"id": "1", "method": "GET", "path": "/v2.0/networks", "service": "network"}]
        token = fake.token("alice", application_credential={"id": "a", "restricted": True, "access_rules": rules})
        assert server.ask(NETWORKS, X_Auth_Token=token).status == 200
        assert make(server, token, "x") == 401
        assert server.ask("/v2.0/ports", X_Auth_Token=token).status == 401


def test_a_file_of_tokens_may_stand_beside(fake: FakeKeystone, tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "tokens.yaml")
    own = tokens.make("member", "p-red")
    with running("--keystone", str(fake.config(tmp_path / "c")), "--tokens", str(tokens.path)) as server:
        assert make(server, own, "from the file") == 201
        assert names(server, fake.token("alice")) == ["from the file"] and own not in fake.asked


# -- how often, and when it is not there ------------------------------------------------------------------------------


def test_a_thousand_requests_on_the_wire_ask_keystone_once(server: Running, fake: FakeKeystone) -> None:
    token = fake.token("alice")

    def ask(count: int) -> set[int]:
        statuses = set()
        with contextlib.closing(server.connect()) as connection:
            for _ in range(count):
                connection.request("GET", NETWORKS, headers={"X-Auth-Token": token})
                answer = connection.getresponse()
                answer.read()
                statuses.add(answer.status)
        return statuses

    with ThreadPoolExecutor(4) as pool:
        assert set().union(*pool.map(ask, [250] * 4)) == {200}
    assert fake.asked == [token]


def test_a_keystone_that_is_down_is_said_so(server: Running, fake: FakeKeystone) -> None:
    seen, new = fake.token("alice"), fake.token("bob")
    assert server.ask(NETWORKS, X_Auth_Token=seen).status == 200
    fake.stop()
    for _ in range(3):
        answer = server.ask(NETWORKS, X_Auth_Token=new)
        assert (answer.status, answer.body["NeutronError"]["type"]) == (503, "ServiceUnavailable")
        assert answer.headers["retry-after"] == "1"
    assert "Keystone" in server.ask("/v1/objects", X_Auth_Token=new).body["error"]
    assert server.ask(NETWORKS, X_Auth_Token=seen).status == 200, "who is known goes on"
    assert server.log().count("does not say whose a token is") == 1 and "refused" in server.log()
    fake.start()
    deadline = time.monotonic() + 10
    while server.ask(NETWORKS, X_Auth_Token=new).status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert "answers again" in server.log() and "Traceback" not in server.log()


def test_a_server_begins_before_its_keystone(fake: FakeKeystone, tmp_path: Path) -> None:
    fake.stop()
    with running("--keystone", str(fake.config(tmp_path / "c"))) as server:
        token = fake.token("alice")
        assert server.ask(NETWORKS, X_Auth_Token=token).status == 503
        fake.start()
        time.sleep(1.1)
        assert server.ask(NETWORKS, X_Auth_Token=token).status == 200


def test_a_keystone_that_does_not_answer_keeps_no_one_else_waiting(fake: FakeKeystone, tmp_path: Path) -> None:
    """Neither who is known, nor the end of the server; both are there within 20 s, long before an answer."""
    options = ("--keystone", str(fake.config(tmp_path / "c", http_connect_timeout=60)))
    with running(*options) as server, ThreadPoolExecutor(1) as pool:
        seen = fake.token("alice")
        assert server.ask(NETWORKS, X_Auth_Token=seen).status == 200
        fake.delay = 60
        waiting = pool.submit(_dare, server, fake.token("bob"))
        while len(fake.asked) < 2:
            time.sleep(0.02)
        assert server.ask(NETWORKS, X_Auth_Token=seen).status == 200
        server.process.send_signal(signal.SIGINT)  # at whose end Python waits for its threads
        server.process.wait(20)
        waiting.result()


def _dare(server: Running, token: str) -> None:
    with contextlib.suppress(Exception):  # the server ends meanwhile
        server.ask(NETWORKS, X_Auth_Token=token)


def test_wrong_tokens_leave_no_trace_but_a_line(server: Running, fake: FakeKeystone) -> None:
    right = fake.token("alice")
    statuses = [server.ask(NETWORKS, X_Auth_Token=f"gAAAAAguess{number}").status for number in range(60)]
    assert statuses[:20] == [401] * 20 and 429 in statuses
    assert server.ask(NETWORKS, X_Auth_Token=right).status == 200
    log = server.log()
    assert "gAAAAA" not in log and len(log.splitlines()) < 40 and "does not know" in log


# -- agents -----------------------------------------------------------------------------------------------------------


def agent(server: Running, token: str) -> connect:
    url = f"ws://{server.address[0]}:{server.address[1]}/v1/agent"
    return connect(url, additional_headers={"X-Auth-Token": token})


def test_an_agent_needs_its_role_in_keystone(server: Running, fake: FakeKeystone) -> None:
    for user in ("alice", "root"):
        with pytest.raises(InvalidStatus) as refused, agent(server, fake.token(user)):
            pass
        assert refused.value.response.status_code == 403
    for user in ("node", "segue"):
        with agent(server, fake.token(user)) as link:
            link.send(msgspec.json.encode(Register("n1", PROTOCOL, "x")))
            assert link.ping().wait(5)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["expired", "revoked"])
def test_an_agent_is_cut_off_when_its_token_has_ended(fake: FakeKeystone, tmp_path: Path, how: str) -> None:
    with forgetful(fake, tmp_path) as server:
        token = fake.token("node", 3 if how == "expired" else 3600)
        with agent(server, token) as link:
            link.send(msgspec.json.encode(Register("n1", PROTOCOL, "x")))
            if how == "revoked":
                assert link.ping().wait(5)
                del fake.tokens[token]
            before = time.monotonic()
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    link.recv(timeout=20)
            assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008
            if how == "expired":
                assert time.monotonic() - before < REJECTED, "that is before Keystone is asked again"


# -- how it is started ------------------------------------------------------------------------------------------------


def _server(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "segue", "server", "--data", str(tmp_path), "--listen", "127.0.0.1:0", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=20)


def test_mistakes_are_told_before_anything_listens(fake: FakeKeystone, tmp_path: Path) -> None:
    config = str(fake.config(tmp_path / "c", auth_type=None))
    for words, said in (
        (("--keystone", f"{tmp_path}/none"), f"{tmp_path}/none"),
        (("--keystone", config), "has no auth_type"),
        (("--keystone", config, "--no-authentication"), "leave one of them out"),
    ):
        ran = _server(tmp_path, *words)
        assert (ran.returncode, ran.stdout) == (2, "") and said in ran.stderr and "Traceback" not in ran.stderr


def test_another_address_is_served_with_keystone(fake: FakeKeystone, tmp_path: Path) -> None:
    with running("--keystone", str(fake.config(tmp_path / "c")), "--listen", "0.0.0.0:0") as server:
        assert server.ask(NETWORKS).status == 401 and "in clear" in server.log()


def test_the_library_is_loaded_where_it_is_asked_for_alone(fake: FakeKeystone, tmp_path: Path) -> None:
    look = (
        "import sys; from segue.cli import access; from segue.cli.main import parser;"
        "access.access(parser().parse_args(sys.argv[1:])); print('keystonemiddleware' in sys.modules)"
    )
    for words, loaded in (([], "False"), (["--keystone", str(fake.config(tmp_path / "c"))], "True")):
        ran = subprocess.run([sys.executable, "-c", look, "server", *words], capture_output=True, text=True, timeout=20)
        assert ran.stdout.strip() == loaded, ran.stderr


# -- OpenStack's own client -------------------------------------------------------------------------------------------


def _openstack() -> str:
    here = Path(__file__).parents[2] / ".venv-clients" / "bin" / "openstack"
    found = str(here) if here.exists() else shutil.which("openstack")
    if found is None:
        pytest.skip("there is no `openstack` command: run scripts/install clients")
    return found


@pytest.mark.slow
def test_the_openstack_command_logs_in(server: Running, fake: FakeKeystone) -> None:
    """With name and password; it finds the server in Keystone's catalog."""
    command = _openstack()
    fake.network = server.url

    def openstack(user: str, words: str, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
        project = {"alice": "red", "bob": "blue", "root": "admin", "ruth": "red"}[user]
        given = {
            "OS_AUTH_TYPE": "v3password",
            "OS_AUTH_URL": f"{fake.url}/v3",
            "OS_USERNAME": user,
            "OS_PASSWORD": password,
            "OS_PROJECT_NAME": project,
            "OS_USER_DOMAIN_NAME": "Default",
            "OS_PROJECT_DOMAIN_NAME": "Default",
        }
        clean = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        return subprocess.run(
            [command, *shlex.split(words)], env=clean | given, capture_output=True, text=True, timeout=60
        )

    made = openstack("alice", "network create web -f value -c project_id")
    assert (made.returncode, made.stdout.strip()) == (0, "p-red"), made.stderr
    for user, listed in (("alice", "web"), ("ruth", "web"), ("bob", ""), ("root", "web")):
        ran = openstack(user, "network list -f value -c Name")
        assert (ran.returncode, ran.stdout.strip()) == (0, listed), ran.stderr
    refused = openstack("ruth", "network create more")
    assert refused.returncode == 1 and "403" in refused.stderr
    assert "401" in openstack("alice", "network list", "wrong").stderr
    shown = openstack("alice", "sfc port chain list -f json")
    assert (shown.returncode, json.loads(shown.stdout)) == (0, []), shown.stderr
