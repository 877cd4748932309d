"""Who is let in, to what, and what those hear who are not."""

from __future__ import annotations

import argparse
import base64
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from api_server import Answer, Running, Tokens, running
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect, unix_connect

from segue.api.permission import ADMIN, denied, foreign_page, room
from segue.api.token_file import TokenFile, change
from segue.api.tokens import Token, TokensError, admit, digest, new_token, parse, render
from segue.cli import access
from segue.cli.main import parser
from segue.model.protocol import PROTOCOL, Register
from segue.neutron.caller import Caller

NOW = datetime(2027, 1, 1, tzinfo=UTC)
SECRET = bytes(range(32))


# -- tokens, as values ------------------------------------------------------------------------------------------------


def test_a_token_is_known_by_its_hash_alone() -> None:
    text, token = new_token("a", SECRET, "web", ["member"])
    written = render([token], "yaml")
    assert text.partition(".")[2] not in written and digest(text) in written
    assert admit(parse(written), text, NOW) == token


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_a_file_reads_back_as_it_was_written(form: str) -> None:
    made = [
        new_token("a", SECRET, "web", ["member", "agent"], NOW, "é: 'x'")[1],
        new_token("b", SECRET, "w", ["admin"])[1],
    ]
    assert list(parse(render(made, form)).values()) == made  # type: ignore[arg-type]


def test_a_token_ends_at_the_second_it_expires() -> None:
    text, token = new_token("a", SECRET, "web", ["member"], NOW)
    assert admit({"a": token}, text, NOW - timedelta(seconds=1)) == token
    assert admit({"a": token}, text, NOW) == "token a has expired"


def test_no_token_of_the_file_is_called_as_a_service_s() -> None:
    with pytest.raises(TokensError, match="injected services"):
        new_token("service-1-1", SECRET, "web", ["member"])


@pytest.mark.parametrize("wrong", ["", "a", "a.", "b.x", "a." + "x" * 43, "ä", "\udc80", "a.\x00", "." * 100_000])
def test_what_is_no_token_is_nobodys(wrong: str) -> None:
    assert isinstance(admit({"a": new_token("a", SECRET, "web", ["member"])[1]}, wrong, NOW), str)


def test_why_somebody_is_refused_never_repeats_what_was_presented() -> None:
    token = new_token("a", SECRET, "web", ["member"])[1]
    for presented in ("hunter2", "hunter2.x", "a.hunter2"):
        assert "hunter2" not in str(admit({"a": token}, presented, NOW))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tokens: [", "no YAML"),
        ("- 1", "Expected `object`"),
        ("tokens: [{id: a, hash: 'sha256:00', project: p, roles: [member]}]", "hash"),
        ("tokens: [{id: a, hash: 'H', project: p, roles: []}]", "roles"),
        ("tokens: [{id: a, hash: 'H', project: p, roles: [root]}]", "root"),
        ("tokens: [{id: a, hash: 'H', project: '', roles: [member]}]", "project"),
        ("tokens: [{id: a, hash: 'H', project: p, roles: [member], expires: 2027-01-01}]", "expires"),
        ("tokens: [{id: a, hash: 'H', project: p, roles: [member], expires: '2027-01-01T00:00:00'}]", "expires"),
        ("tokens: [{id: a, hash: 'H', project: p, roles: [member], expired: x}]", "expired"),
        (
            "tokens: [{id: a, hash: 'H', project: p, roles: [member]}, {id: a, hash: 'H', project: p, roles: [admin]}]",
            "two",
        ),
        ("[" * 100_000, "nested"),
        ("- " * 100_000, "nested"),
        ("tokens: &a [*a]", "alias"),
    ],
)
def test_a_file_that_is_wrong_is_refused_whole(text: str, said: str) -> None:
    with pytest.raises(TokensError, match=said):
        parse(text.replace("'H'", "'sha256:" + "0" * 64 + "'"))


# -- what each may ----------------------------------------------------------------------------------------------------

CALLERS = {
    "admin": Caller("p", admin=True, roles=("admin",)),
    "member": Caller("p", roles=("member",)),
    "reader": Caller("p", roles=("reader",)),
    "operator": Caller("admin", roles=("reader",)),
    "agent": Caller("p", roles=("agent",)),
    "nobody": Caller(""),
    "service": Caller("p", roles=("service",), user="service/x"),
    "keystone": Caller("p", roles=("service",), user="service"),
}
MAY = [
    ("GET", "/v2.0/networks", "admin member reader operator"),
    ("HEAD", "/v2.0", "admin member reader operator"),
    ("POST", "/v2.0/networks", "admin member"),
    ("PUT", "/v2.0/networks/x", "admin member"),
    ("DELETE", "//v2.0//networks/x", "admin member"),
    ("PATCH", "/v2.0/networks/x", "admin member"),
    ("GET", "/v1/objects", "admin operator"),
    ("GET", "/v1/status", "admin member reader operator"),
    ("HEAD", "//v1//status/", "admin member reader operator"),
    ("POST", "/v1/status", "admin"),
    ("GET", "/v1/status/x", "admin operator"),
    ("GET", "/v1/status/../objects", "admin operator"),
    ("POST", "/v1/apply", "admin"),
    ("POST", "//v1/apply", "admin"),
    ("POST", "/v1/agents", "admin"),
    ("WEBSOCKET", "/v1/agent", "agent"),
    ("WEBSOCKET", "//v1//agent/", "agent"),
    ("WEBSOCKET", "/v1/other", "admin"),
    ("GET", "/", "admin member reader operator agent nobody service keystone"),
    ("POST", "/", "admin member reader operator agent nobody service keystone"),
    ("WEBSOCKET", "/", "admin"),
    ("GET", "/v1/services", "admin member reader operator"),
    ("GET", "/v1/services/x/flows", "admin member reader operator service"),
    ("POST", "/v1/services", "admin member"),
    ("PUT", "//v1/services//x/flows/0", "admin member service"),
    ("PUT", "/v1/services/xx/flows/0", "admin member"),
    ("PUT", "/v1/services/x/../y/flows/0", "admin member service"),
    ("GET", "/v1/servicesx", "admin operator"),
    ("GET", "/elsewhere", "admin"),
    ("GET", "/V1/objects", "admin"),
    ("GET", "/v2.0.json", "admin"),
]


@pytest.mark.parametrize(("method", "path", "who"), MAY)
def test_what_each_role_may(method: str, path: str, who: str) -> None:
    assert [name for name, caller in CALLERS.items() if denied(caller, method, path) is None] == who.split()
    assert denied(ADMIN, method, path) is None


def test_rooms() -> None:
    assert [room(path) for path in ("", "/v2.0/x", "/v1", "/v1/agent", "/v1/agentx", "/v3")] == [
        *("versions", "neutron", "native", "agent", "native", "other")
    ]


@pytest.mark.parametrize(
    ("host", "origin", "authenticated", "foreign"),
    [
        ("127.0.0.1:7468", "", False, False),
        ("127.0.0.1:7468", "http://127.0.0.1:7468", False, False),
        ("[::1]:7468", "http://[::1]:7468", False, False),
        ("localhost:7468", "http://localhost:7468", False, False),
        ("127.0.0.1:7468", "http://evil.example", True, True),
        ("127.0.0.1:7468", "null", True, True),
        ("127.0.0.1:7468", "http://127.0.0.1:8000", True, True),
        ("evil.example:7468", "http://evil.example:7468", False, True),
        ("segue.example", "https://segue.example", True, False),
    ],
)
def test_pages_of_others_are_told_apart(host: str, origin: str, authenticated: bool, foreign: bool) -> None:
    assert foreign_page(host, origin, authenticated) is foreign


# -- the file ---------------------------------------------------------------------------------------------------------


def put(path: Path, *tokens: Token) -> None:
    change(path, lambda _: {token.id: token for token in tokens})


def test_the_file_is_read_again_when_it_changes_and_kept_when_it_is_broken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "t.yaml"
    (one, a), (two, b) = (new_token(name, SECRET, "web", ["member"]) for name in "ab")
    put(path, a)
    file = TokenFile(path)
    assert file.admit(one) == a and isinstance(file.admit(two), str)
    put(path, a, b)
    assert file.admit(two) == b
    path.write_text("tokens: [")
    for _ in range(3):
        assert file.admit(two) == b
    assert caplog.text.count("stay in force") == 1
    path.unlink()
    assert file.admit(two) == b and file.holds(b)
    assert "no such file" in caplog.text
    put(path, a)
    assert isinstance(file.admit(two), str) and not file.holds(b)


def test_a_token_that_changed_no_longer_holds(tmp_path: Path) -> None:
    token = new_token("a", SECRET, "web", ["admin"])[1]
    put(tmp_path / "t", token)
    file = TokenFile(tmp_path / "t")
    put(tmp_path / "t", msgspec.structs.replace(token, roles=("reader",)))
    assert not file.holds(token)


def test_a_file_that_others_may_write_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "t", new_token("a", SECRET, "web", ["admin"])[1])
    (tmp_path / "t").chmod(0o620)
    with pytest.raises(TokensError, match="chmod 600"):
        TokenFile(tmp_path / "t")


# -- a server ---------------------------------------------------------------------------------------------------------


def test_without_tokens_everybody_is_let_in_as_before(opened: Running) -> None:
    for unix in (False, True):
        assert opened.ask("/v1/objects", unix=unix).status == 200
        assert opened.ask("/v1/delete", "POST", b'{"refs": []}', unix, X_Auth_Token="dummy").status == 200


def test_without_tokens_a_page_in_a_browser_is_not(opened: Running) -> None:
    answer = opened.ask("/v1/apply", "POST", b"networks: {}", Origin="http://evil.example", Content_Type="text/plain")
    assert answer.status == 403
    with pytest.raises(InvalidStatus) as refused, connect(agent_url(opened), origin="http://evil.example"):  # type: ignore[arg-type]
        pass
    assert refused.value.response.status_code == 403


def test_a_token_is_taken_in_three_ways(guarded: Running, admin: str) -> None:
    basic = base64.b64encode(f"anybody:{admin}".encode()).decode()
    for name, value in (
        ("X-Auth-Token", admin),
        ("Authorization", f"Bearer {admin}"),
        ("authorization", f"bearer  {admin}"),
        ("Authorization", f"Basic {basic}"),
    ):
        assert guarded.ask("/v1/objects", **{name.replace("-", "_"): value}).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X_Auth_Token": "x"},
        {"Authorization": "Bearer root.x"},
        {"Authorization": "Basic %%"},
        {"Authorization": "x"},
    ],
)
def test_who_has_no_token_hears_so_in_the_style_of_the_path(guarded: Running, headers: dict[str, str]) -> None:
    answer = guarded.ask("/v2.0/networks", **headers)
    assert answer.status == 401 and answer.headers["www-authenticate"]
    assert answer.body == {
        "error": {
            "code": 401,
            "title": "Unauthorized",
            "message": "The request you have made requires authentication.",
        }
    }
    answer = guarded.ask("/v1/objects", **headers)
    assert answer.status == 401 and "--token-file" in answer.body["error"]
    assert "127.0.0.1" in guarded.log() and "'/v1/objects'" in guarded.log()


def test_a_path_that_is_not_there_tells_nothing_without_a_token(guarded: Running, tokens: Tokens, admin: str) -> None:
    assert guarded.ask("/elsewhere").status == 401
    assert guarded.ask("/elsewhere", X_Auth_Token=admin).status == 404
    assert guarded.ask("/v1/objects/", X_Auth_Token=tokens.make("member")).status == 403


def test_versions_are_seen_without_a_token(guarded: Running) -> None:
    assert guarded.ask("/").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_else_can_be_done_with_versions(guarded: Running, admin: str, method: str) -> None:
    for headers in ({}, {"X_Auth_Token": admin}):
        answer = guarded.ask("/", method, b"{}", **headers)
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
        assert answer.body["NeutronError"]["type"] == "HTTPMethodNotAllowed"


def test_what_is_sent_to_the_versions_is_not_read(guarded: Running) -> None:
    with contextlib.closing(guarded.connect()) as connection:
        connection.putrequest("POST", "/")
        connection.putheader("Content-Length", str(1 << 40))
        connection.endheaders(b"[")
        assert connection.getresponse().status == 405


def test_roles_hold_on_the_wire(guarded: Running, tokens: Tokens) -> None:
    member, reader, operator = (tokens.make("member"), tokens.make("reader"), tokens.make("reader", "admin"))
    assert guarded.ask("/v1/objects", X_Auth_Token=operator).status == 200
    assert guarded.ask("/v1/apply", "POST", b"networks: {w: }", X_Auth_Token=operator).status == 403
    assert guarded.ask("/v1/objects", X_Auth_Token=member).status == 403
    answer = guarded.ask("/v2.0/networks", "POST", b'{"network": {}}', X_Auth_Token=reader)
    assert (answer.status, answer.body["NeutronError"]["type"]) == (403, "PolicyNotAuthorized")
    assert guarded.ask("/v2.0/networks", "POST", b'{"network": {}}', X_Auth_Token=member).status not in (401, 403)
    assert guarded.ask("/v1/objects", unix=True).status == 200


def test_a_revoked_token_ends_at_once(guarded: Running, tokens: Tokens) -> None:
    token = tokens.make("admin", "admin", "--id", "short")
    assert guarded.ask("/v1/objects", X_Auth_Token=token).status == 200
    tokens("revoke", "short")
    assert guarded.ask("/v1/objects", X_Auth_Token=token).status == 401


def test_an_expired_token_ends_by_itself(guarded: Running, tokens: Tokens) -> None:
    token = tokens.make("admin", "admin", "--expires", "2s")
    assert guarded.ask("/v1/objects", X_Auth_Token=token).status == 200
    time.sleep(2.1)
    assert guarded.ask("/v1/objects", X_Auth_Token=token).status == 401


def test_a_broken_file_changes_nothing(guarded: Running, tokens: Tokens, admin: str) -> None:
    there = tokens.path.read_bytes()
    tokens.path.write_text("tokens: [")
    try:
        assert guarded.ask("/v1/objects", X_Auth_Token=admin).status == 200
        assert guarded.ask("/v1/objects", X_Auth_Token="x").status == 401
        assert "stay in force" in guarded.log()
    finally:
        tokens.path.write_bytes(there)


def test_wrong_tokens_are_answered_slowly_and_right_ones_are_not(tokens: Tokens, admin: str) -> None:
    with running("--tokens", str(tokens.path)) as server:
        with contextlib.closing(server.connect()) as connection:
            statuses = [_status(connection, "root.wrong") for _ in range(100)]
            assert statuses[:20] == [401] * 20 and set(statuses[25:]) == {429}
            assert _status(connection, "") == 401  # no token is no guess
            assert _status(connection, admin) == 200
        assert server.log().count("wrong secret") < 30
        assert "wrong secret for token root" in server.log() and "root.wrong" not in server.log()


def _status(connection: http.client.HTTPConnection, token: str) -> int:
    connection.request("GET", "/v1/objects", headers={"X-Auth-Token": token} if token else {})
    answer = connection.getresponse()
    answer.read()
    return answer.status


# -- agents -----------------------------------------------------------------------------------------------------------


def agent_url(server: Running) -> str:
    return f"ws://{server.address[0]}:{server.address[1]}/v1/agent"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_an_agent_needs_the_role(guarded: Running, tokens: Tokens, admin: str) -> None:
    for token, status in (("", 401), (admin, 403), (tokens.make("member"), 403)):
        with pytest.raises(InvalidStatus) as refused, connect(agent_url(guarded), additional_headers=bearer(token)):
            pass
        assert refused.value.response.status_code == status
        assert json.loads(refused.value.response.body or b"")["error"]
    assert "without completing" not in guarded.log()
    register = msgspec.json.encode(Register("n1", PROTOCOL, "x"))
    with connect(agent_url(guarded), additional_headers=bearer(tokens.make("agent"))) as link:
        link.send(register)
        assert link.ping().wait(5)
    with unix_connect(str(guarded.directory / "sock"), "ws://segue/v1/agent") as link:
        link.send(register)
        assert link.ping().wait(5)


def test_an_agent_whose_token_is_revoked_is_cut_off(guarded: Running, tokens: Tokens) -> None:
    token = tokens.make("agent", "admin", "--id", "node")
    with connect(agent_url(guarded), additional_headers=bearer(token)) as link:
        link.send(msgspec.json.encode(Register("n2", PROTOCOL, "x")))
        tokens("revoke", "node")
        with pytest.raises(ConnectionClosed) as closed:
            link.recv(timeout=5)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008
    deadline = time.monotonic() + 5
    while "agent of node n2 gone" not in guarded.log() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "agent of node n2 gone" in guarded.log()


def test_what_waits_ends_with_its_token(guarded: Running, tokens: Tokens, admin: str) -> None:
    """A request that waits for agents that never come."""
    token = tokens.make("admin", "admin", "--id", "waiting")
    found: list[Answer] = []
    body = b"nodes: [n9]\nnetworks: {w9: 10.9.0.0/24}\nports: {p9: {network: w9, node: n9}}\n"

    def wait() -> None:
        found.append(guarded.ask("/v1/apply?wait=15", "POST", body, X_Auth_Token=token))

    thread = threading.Thread(target=wait)
    thread.start()
    while not guarded.ask("/v1/objects/port", X_Auth_Token=admin).body:
        time.sleep(0.02)
    tokens("revoke", "waiting")
    thread.join(6)
    assert not thread.is_alive() and found[0].status == 401
    gone = json.dumps({"refs": [["port", "p9"], ["network", "w9"], ["node", "n9"]]}).encode()
    assert guarded.ask("/v1/delete", "POST", gone, X_Auth_Token=admin).status == 200


def test_the_agent_and_the_command_line_show_their_token(
    guarded: Running, tokens: Tokens, admin: str, tmp_path: Path
) -> None:
    def segue(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "segue", *words]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SEGUE_")}
        return subprocess.run(command, env=clean | variables, capture_output=True, text=True, timeout=20)

    get = ("--server", guarded.url, "get", "networks")
    (tmp_path / "token").write_text(admin + "\n")
    refused = segue(*get)
    assert (refused.returncode, refused.stdout) == (2, "") and "--token-file" in refused.stderr
    assert segue(*get, SEGUE_TOKEN=admin).returncode == 0
    assert segue(*get, SEGUE_TOKEN_FILE=f"{tmp_path}/token").returncode == 0
    assert segue(*get, "--token-file", f"{tmp_path}/token", SEGUE_TOKEN="wrong").returncode == 0
    assert segue("--token-file", f"{tmp_path}/token", *get).returncode == 0
    (tmp_path / "token").write_text("two words")
    assert "is one word" in segue("--token-file", f"{tmp_path}/token", *get).stderr
    assert "cannot read the token" in segue("--token-file", "/nowhere", *get).stderr

    (tmp_path / "token").write_text("agent.wrong")
    words = ("agent", "--node", "n7", "--rundir", str(tmp_path), "--token-file", f"{tmp_path}/token")
    command = [sys.executable, "-m", "segue", "--server", guarded.url, *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as agent:
        try:
            assert agent.stderr is not None
            assert any("lets nobody in" in line for line in agent.stderr)
            (tmp_path / "token").write_text(tokens.make("agent"))
            assert any("connected to the server" in line for line in agent.stderr)
        finally:
            agent.send_signal(signal.SIGTERM)
            agent.wait(10)


# -- where it listens -------------------------------------------------------------------------------------------------


def _server(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "segue", "server", "--data", str(tmp_path), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=20)


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", ":0"])
def test_another_address_without_authentication_is_refused(tmp_path: Path, address: str) -> None:
    ran = _server(tmp_path, "--listen", address)
    assert (ran.returncode, ran.stdout) == (1, "")
    for what in ("cannot listen on", "--tokens FILE", "--keystone CONFIG", "--no-authentication", "127.0.0.1"):
        assert what in ran.stderr


def test_another_address_is_served_when_that_is_said_by_name(tokens: Tokens, admin: str) -> None:
    with running("--listen", "0.0.0.0:0", "--no-authentication") as server:
        assert server.ask("/v1/objects").status == 200
    with running("--listen", "0.0.0.0:0", "--tokens", str(tokens.path)) as server:
        assert (server.ask("/v1/objects").status, server.ask("/v1/objects", X_Auth_Token=admin).status) == (401, 200)
        assert "in clear" in server.log()
    with running("--listen", "[::1]:0") as server:
        assert re.match(r"http://\[::1\]:\d+$", server.url) and server.ask("/v1/objects").status == 200


def test_a_server_does_not_start_without_its_tokens(tmp_path: Path) -> None:
    ran = _server(tmp_path, "--tokens", f"{tmp_path}/none", "--listen", "127.0.0.1:0")
    assert ran.returncode == 2 and "no such file" in ran.stderr and "segue token create" in ran.stderr


@pytest.mark.parametrize("who", [["--tokens", "t"], ["--keystone", "k"], ["--no-authentication"], []])
def test_segue_up_tells_its_server_the_same(who: list[str]) -> None:
    given = [*who, "--tls-cert", "c", "--tls-key", "k", "--client-ca", "a", "--rate", "7", "--connections", "0"]
    up = vars(parser().parse_args(["up", *given]))
    server = vars(parser().parse_args(["server", *access.words(argparse.Namespace(**up))]))
    names = ("tokens", "keystone", "no_authentication", "tls_cert", "tls_key", "client_ca", "rate", "connections")
    assert [server[name] for name in names] == [up[name] for name in names]


# -- TLS --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pki")
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=place, check=True, capture_output=True)

    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=ca")
    (place / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("server", "client"):
        openssl("req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
        openssl("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem")
    return place


@contextlib.contextmanager
def _secure(pki: Path, *more: str) -> Iterator[Running]:
    with running("--tls-cert", f"{pki}/server.pem", "--tls-key", f"{pki}/server.key", *more) as server:
        yield server


def _get(server: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "segue", "--server", server, "get", "networks", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=20)


def test_tls(pki: Path, tmp_path: Path) -> None:
    with _secure(pki) as server:
        assert server.url.startswith("https://")
        ran = _get(server.url, "--ca", f"{pki}/ca.pem")
        assert (ran.returncode, ran.stdout) == (0, "no networks\n"), ran.stderr
        ran = _get(server.url)
        assert ran.returncode == 1 and "TLS: " in ran.stderr and "--ca" in ran.stderr
        assert _get(f"unix:{server.directory}/sock").returncode == 0  # in clear: it leaves the machine nowhere
        with contextlib.closing(socket.create_connection(server.address)) as plain:
            plain.sendall(b"GET /v1/objects HTTP/1.0\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                assert b"200" not in plain.recv(1000)
        command = [sys.executable, "-m", "segue", "agent", "--node", "n1", "--rundir", str(tmp_path)]
        words = ["--server", server.url, "--ca", f"{pki}/ca.pem"]
        with subprocess.Popen([*command, *words], stderr=subprocess.PIPE, text=True) as agent:
            try:
                assert agent.stderr is not None
                assert any("connected to the server" in line for line in agent.stderr)
            finally:
                agent.send_signal(signal.SIGTERM)
                agent.wait(10)


def test_clients_without_a_certificate_are_not_let_in_where_one_is_asked_for(pki: Path) -> None:
    with _secure(pki, "--client-ca", f"{pki}/ca.pem") as server:
        ca = ("--ca", f"{pki}/ca.pem")
        ran = _get(server.url, *ca)
        assert ran.returncode == 1 and "--cert" in ran.stderr
        ran = _get(server.url, *ca, "--cert", f"{pki}/client.pem", "--key", f"{pki}/client.key")
        assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--tls-key", "x"), "TLS needs --tls-cert"),
        (("--client-ca", "x"), "TLS needs --tls-cert"),
        (("--tls-cert", "/nowhere"), "there is no file /nowhere"),
        (("--tls-cert", __file__), "TLS: "),
    ],
)
def test_mistakes_of_tls_are_told_before_anything_listens(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    ran = _server(tmp_path, "--listen", "127.0.0.1:0", *words)
    assert (ran.returncode, ran.stdout) == (2, "") and said in ran.stderr
