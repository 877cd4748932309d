"""As much of Keystone as its clients ask for to log in, and its middleware to check tokens (Identity API v3).

It answers each request on a connection of its own, so that none of them outlives ``stop``.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, cast

SERVICE = ("segue", "its-password")
DOMAIN = {"id": "default", "name": "Default"}
PASSWORD = "x"
_WORLD = {
    "alice": ("red", "member,reader"),
    "ruth": ("red", "reader"),
    "bob": ("blue", "member,reader"),
    "root": ("admin", "admin,manager,member,reader"),
    "node": ("service", "agent"),
    "nobody": ("red", "cook"),
}
"""Users: their project and its roles."""


class FakeKeystone:
    def __init__(self) -> None:
        self.tokens: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        """The tokens that it was asked about."""
        self.network = "http://127.0.0.1:1"
        """In the catalog."""
        self.password = SERVICE[1]
        self.delay = 0.0
        self.failing = 0
        """A status that it answers to whoever asks about a token."""
        self._server: ThreadingHTTPServer | None = None
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), type("_", (_Handler,), {"keystone": self}))
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def token(self, user: str, seconds: float = 3600.0, **more: Any) -> str:
        """A token of this user; ``more`` goes into what Keystone says of it, None takes out."""
        project, roles = _WORLD.get(user, ("service", "service"))
        now = datetime.now(UTC)
        body = {
            "methods": ["password"],
            "user": {"id": f"u-{user}", "name": user, "domain": DOMAIN, "password_expires_at": None},
            "project": {"id": f"p-{project}", "name": project, "domain": DOMAIN},
            "roles": [{"id": f"r-{role}", "name": role} for role in roles.split(",")],
            "is_domain": False,
            "audit_ids": [secrets.token_urlsafe(8)],
            "issued_at": _time(now),
            "expires_at": _time(now + timedelta(seconds=seconds)),
            "catalog": self._catalog(),
            **more,
        }
        text = "gAAAAA" + secrets.token_urlsafe(60)
        self.tokens[text] = {name: value for name, value in body.items() if value is not None}
        return text

    def _catalog(self) -> list[dict[str, Any]]:
        def service(kind: str, url: str) -> dict[str, Any]:
            ends = [
                {"id": f"{kind}-{face}", "interface": face, "region": "R", "region_id": "R", "url": url}
                for face in ("public", "internal", "admin")
            ]
            return {"id": kind, "type": kind, "name": kind, "endpoints": ends}

        return [service("identity", f"{self.url}/v3"), service("network", self.network)]

    def config(self, path: Path, **options: object) -> Path:
        """What an operator writes; ``options`` go besides, in place of, or with None out of it."""
        given: dict[str, object] = {
            "www_authenticate_uri": f"{self.url}/v3",
            "auth_url": f"{self.url}/v3",
            "auth_type": "password",
            "username": SERVICE[0],
            "password": SERVICE[1],
            "user_domain_id": "default",
            "project_name": "service",
            "project_domain_id": "default",
            "http_request_max_retries": 0,
            **options,
        }
        lines = [f"{name} = {value}" for name, value in given.items() if value is not None]
        path.write_text("\n".join(["[keystone_authtoken]", *lines, ""]))
        return path


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class _Handler(BaseHTTPRequestHandler):
    keystone: ClassVar[FakeKeystone]

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self, status: int, body: Any, **headers: str) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        with contextlib.suppress(ConnectionError):  # whoever asked did not wait so long
            self.end_headers()
            self.wfile.write(data)

    def _error(self, status: int, title: str) -> None:
        self._answer(status, {"error": {"code": status, "title": title, "message": title}})

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].rstrip("/")
        links = [{"rel": "self", "href": f"{self.keystone.url}/v3/"}]
        version = {"id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z", "links": links}
        if path == "":
            self._answer(300, {"versions": {"values": [version]}})
        elif path == "/v3":
            self._answer(200, {"version": version})
        elif path == "/v3/auth/tokens":
            self._validate()
        else:
            self._error(404, "Not Found")

    def _validate(self) -> None:
        fake = self.keystone
        subject = self.headers.get("X-Subject-Token", "")
        fake.asked.append(subject)
        time.sleep(fake.delay)
        asker = fake.tokens.get(self.headers.get("X-Auth-Token", ""))
        if fake.failing:
            self._error(fake.failing, "as the test wants it")
        elif asker is None or asker["user"]["name"] != SERVICE[0]:
            self._error(401, "Unauthorized")
        elif subject not in fake.tokens or fake.tokens[subject]["expires_at"] <= _time(datetime.now(UTC)):
            self._error(404, "Not Found")
        else:
            self._answer(200, {"token": fake.tokens[subject]}, X_Subject_Token=subject)

    def do_POST(self) -> None:
        fake = self.keystone
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        given = cast("dict[str, Any]", said["auth"]["identity"]["password"]["user"])
        right = {SERVICE[0]: fake.password, **dict.fromkeys(_WORLD, PASSWORD)}
        if self.path != "/v3/auth/tokens" or right.get(given["name"]) != given["password"]:
            self._error(401, "Unauthorized")
            return
        text = fake.token(given["name"])
        self._answer(201, {"token": fake.tokens[text]}, X_Subject_Token=text)
