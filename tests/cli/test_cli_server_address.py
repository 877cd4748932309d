"""Finding the server, and what is said when it is not there or is something else."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cli_session import Session


def test_by_unix_socket_before_and_after_the_command(segue: Session, module_server: tuple[str, Path]) -> None:
    address = f"unix:{module_server[1]}/sock"
    segue("apply", "-", stdin="networks: {web: }\n")
    for words in (["--server", address, "get", "networks"], ["get", "networks", "--server", address]):
        assert segue("--server", "http://127.0.0.1:1", *words).out == "NETWORK\nweb\n"


def test_nobody_there(nowhere: Session, tmp_path: Path) -> None:
    ran = nowhere("status")
    assert ran.status == 1
    assert ran.err == (
        "segue: no Segue server at http://127.0.0.1:1: connection refused; "
        "start one with `segue server`, or `segue lab up FILE`\n"
    )
    ran = nowhere("--server", f"unix:{tmp_path}/sock", "status")
    assert ran.status == 1
    assert f"no Segue server at unix:{tmp_path}/sock: no such file or directory" in ran.err


@contextmanager
def answering(answer: Callable[[str], tuple[int, bytes]]) -> Iterator[str]:
    """A server that is not Segue's; its URL. ``answer``: path -> status and body."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(("status", "body"), [(200, b"<html>hello"), (404, b"<html>no"), (404, b'{"detail": "no"}')])
def test_somebody_else_there(nowhere: Session, status: int, body: bytes) -> None:
    with answering(lambda path: (status, body)) as url:
        ran = nowhere("--server", url, "status")
    assert ran.status == 1
    assert "answers, but not as a Segue server does" in ran.err


@pytest.mark.parametrize(("status", "expected"), [(400, 2), (404, 2), (409, 2), (413, 2), (500, 1), (503, 1)])
def test_the_exit_status_tells_mistakes_from_failures(nowhere: Session, status: int, expected: int) -> None:
    with answering(lambda path: (status, b'{"error": "no such luck"}')) as url:
        ran = nowhere("--server", url, "apply", "-")
    assert (ran.status, ran.err) == (expected, "segue: no such luck\n")


def test_a_server_that_breaks_off(nowhere: Session) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hang_up() -> None:
            listening.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        ran = nowhere("--server", f"http://127.0.0.1:{listening.getsockname()[1]}", "status")
        thread.join()
    assert ran.status == 1
    assert "broke off" in ran.err


def node(name: str, state: str, reason: str = "") -> dict[str, Any]:
    return {"name": name, "state": state, "reason": reason, "told": 1, "holds": 1}


def test_waiting_goes_on_until_all_is_ready(nowhere: Session) -> None:
    statuses = [
        {"nodes": [node("n1", "ready"), node("n2", "absent", "gone"), node("n3", "behind")], "chains": []},
        {"nodes": [node("n1", "ready"), node("n2", "absent", "gone"), node("n3", "ready")], "chains": []},
    ]
    asked: list[str] = []

    def answer(path: str) -> tuple[int, bytes]:
        asked.append(path)
        if path.startswith("/v1/apply"):
            body = {"changes": [], "revision": 1, "ready": False, "waiting": ["node n1 is at work"]}
            return 200, json.dumps(body).encode()
        return 200, json.dumps(statuses[min(len(asked) - 2, 1)]).encode()

    with answering(answer) as url:
        ran = nowhere("--server", url, "apply", "-", "--wait", "20")
    assert (ran.status, ran.out) == (0, "nothing changes\nready\n")
    assert asked == ["/v1/apply?source=stdin&wait=1.0", *["/v1/status?count=false"] * 2]


@pytest.mark.parametrize(("agree", "expected"), [(True, 0), (False, 1), (None, 0)])
def test_trace_fails_when_a_switch_disagrees(nowhere: Session, agree: bool | None, expected: int) -> None:
    body = {"delivered": ["b"], "functions": [], "lines": ["a: x"], "live": ["n1: y"], "agree": agree}
    asked: list[str] = []

    def answer(path: str) -> tuple[int, bytes]:
        asked.append(path)
        return 200, json.dumps(body).encode()

    with answering(answer) as url:
        ran = nowhere("--server", url, "trace", "a > b icmp", "--live")
    assert ran.status == expected
    assert ran.out.startswith("a: x\nn1: y\n")
    assert asked == ["/v1/trace?flow=a+%3E+b+icmp&live=true"]


def test_flows_are_chosen_by_stage_and_owner(nowhere: Session) -> None:
    fields = {"priority": 100, "packets": 0, "bytes": 0, "match": "", "actions": "drop"}
    flows = [
        {"stage": "classify", "owner": "chain/loud"} | fields,
        {"stage": "classify", "owner": "chain/quiet"} | fields,
        {"stage": "deliver", "owner": "port/client"} | fields,
    ]
    with answering(lambda path: (200, json.dumps(flows).encode())) as url:
        ran = nowhere("--server", url, "flows", "n1", "--stage", "classify", "--owner", "chain/loud", "-o", "json")
        assert json.loads(ran.out) == flows[:1]
        lines = nowhere("--server", url, "flows", "n1").out.splitlines()
        assert lines[0].split() == ["STAGE", "PRIORITY", "OWNER", "PACKETS", "BYTES", "ACTIONS"]
        assert len(lines) == 4
        ran = nowhere("--server", url, "flows", "n1", "--stage", "clasify")
        assert (ran.status, ran.err) == (
            2,
            "segue: node n1 has no flows in a stage 'clasify'; it has some in: classify, deliver\n",
        )
