"""Request targets in absolute form, as proxies and some clients write them (RFC 9112 section 3.2.2)."""

from __future__ import annotations

import json
import socket

import pytest
from api_server import Running, Tokens

from segue.api.target import origin_form


def ask(server: Running, target: str, method: str = "GET", host: str = "elsewhere.example", **headers: str) -> bytes:
    """The answer to a request that is written by hand."""
    fields = {"Host": host, "Connection": "close"} | {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    with socket.create_connection(server.address, timeout=20) as connection:
        connection.sendall(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode())
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def split(answer: bytes) -> tuple[int, bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


@pytest.mark.parametrize("target", ["/v2.0/networks?name=x%20y", "/v1/objects", "/", "/v2.0/quotas/a%2Fb", "/nowhere"])
def test_an_absolute_target_is_answered_as_one_in_origin_form(opened: Running, target: str) -> None:
    root = f"http://{opened.address[0]}:{opened.address[1]}"
    there = split(ask(opened, target, host=root.removeprefix("http://")))
    assert split(ask(opened, root + target)) == there
    assert split(ask(opened, root.replace("http", "HTTP") + target)) == there


def test_the_authority_of_the_target_counts_and_the_host_field_does_not(opened: Running) -> None:
    status, body = split(ask(opened, "http://cloud.example:9696/v2.0/"))
    assert status == 200
    assert json.loads(body)["resources"][0]["links"][0]["href"].startswith("http://cloud.example:9696/v2.0/")
    status, body = split(ask(opened, "http://cloud.example"))
    assert (status, json.loads(body)["versions"][0]["id"]) == (200, "v2.0")


def test_who_may_ask_is_judged_by_the_path_in_it(guarded: Running, tokens: Tokens, admin: str) -> None:
    root = "http://127.0.0.1"
    assert split(ask(guarded, f"{root}/v2.0/networks"))[0] == 401
    assert split(ask(guarded, f"{root}/v1/objects", X_Auth_Token=tokens.make("member")))[0] == 403
    assert split(ask(guarded, f"{root}/v1/objects", X_Auth_Token=admin))[0] == 200
    assert split(ask(guarded, root))[0] == 200
    assert split(ask(guarded, f"{root}/", Origin="http://evil.example"))[0] == 403


@pytest.mark.parametrize(
    "raw", [b"/v2.0", b"//http://a/b", b"http:///v2.0", b"http://you@a/v2.0", b"ftp://a/v2.0", b"*"]
)
def test_other_targets_are_left_as_they_are(raw: bytes) -> None:
    scope = {"raw_path": raw, "path": raw.decode(), "headers": []}
    assert origin_form(scope) is scope
    assert origin_form({"path": "/v2.0", "headers": []}) == {"path": "/v2.0", "headers": []}
