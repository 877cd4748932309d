"""Keystone's own middleware, of the package ``keystonemiddleware``, asked whose a token is.

It blocks and speaks WSGI. It is given a request that holds the token, and the method and path that the access rules of
an application credential are about (Identity API v3.13). Its cache in the process is one for each thread and walks over
all of it at each request, so it is given one that keeps nothing.

It is told to decide: where it is told to delay that (``delay_auth_decision``), a Keystone that is not reached and a
token that is wrong look the same.
"""

from __future__ import annotations

import hashlib
import io
import logging
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from segue.neutron.caller import Caller

GROUP = "keystone_authtoken"
ROLES = {"admin": "admin", "member": "member", "reader": "reader", "agent": "agent", "service": "agent"}
"""Keystone's roles that mean something here, and what; those that one implies are in the token as well."""
DEFAULTS = {"http_connect_timeout": 10, "http_request_max_retries": 1}
"""In place of the middleware's own, with which one request can wait for ever."""
_NO_CACHE = "segue.no_cache"


class KeystoneError(Exception):
    """Keystone cannot be used as it is configured; says why, and what to write."""


class Unreachable(Exception):
    """Keystone does not answer. ``it``: also not if it is asked about another token."""

    def __init__(self, reason: str, it: bool) -> None:
        super().__init__(reason)
        self.it = it


class Request(NamedTuple):
    token: str
    method: str
    path: str

    def digests(self) -> tuple[bytes, bytes]:
        """Of the token, and of the token for this alone. Nobody reads a token from them."""
        digest = hashlib.sha256(self.token.encode())
        whole = digest.digest()
        digest.update(f"\0{self.method}\0{self.path}".encode("utf-8", "surrogateescape"))
        return whole, digest.digest()


class Known(msgspec.Struct, frozen=True):
    """``ends``: seconds since 1970. ``ruled``: it is good for the method and path that it came with, and no more."""

    caller: Caller
    ends: float
    ruled: bool = False


def caller(environ: dict[str, Any]) -> Caller:
    """Roles count in a project, or in the whole system for an administrator; those in a domain are about Keystone."""
    project = environ.get("HTTP_X_PROJECT_ID") or ""
    given = (environ.get("HTTP_X_ROLES") or "").split(",")
    roles = tuple(dict.fromkeys(ROLES[role] for name in given if (role := name.strip().lower()) in ROLES))
    if not project:
        everywhere = environ.get("HTTP_OPENSTACK_SYSTEM_SCOPE") == "all"
        roles = tuple(role for role in roles if role == "admin" and everywhere)
    return Caller(project, "admin" in roles, roles, environ.get("HTTP_X_USER_ID") or "")


def known(environ: dict[str, Any]) -> Known:
    token = environ["keystone.token_info"]["token"]
    credential = token.get("application_credential") or {}
    ruled = credential.get("access_rules") is not None
    return Known(caller(environ), datetime.fromisoformat(token["expires_at"]).timestamp(), ruled)


class _NoCache:
    """What the middleware takes for its cache."""

    def get(self, *_: object) -> None:
        return None

    def set(self, *_: object, **__: object) -> None:
        return None


class _Causes(logging.Handler):
    """In place of the middleware's log, which has several lines for each wrong token: why it failed, by thread."""

    def __init__(self) -> None:
        super().__init__()
        self._heard = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        cause = record.args[0] if isinstance(record.args, tuple) and record.args else None
        if record.levelno >= logging.CRITICAL and isinstance(cause, Exception):
            self._heard.cause = cause

    def take(self) -> Exception | None:
        cause: Exception | None = self._heard.__dict__.pop("cause", None)
        return cause


class Middleware:
    """``keystonemiddleware.auth_token.AuthProtocol``, by an oslo.config file. Raises KeystoneError.

    Called, from any thread, it says whose the token of a request is, or why it is nobody's; raises Unreachable.
    """

    def __init__(self, path: Path) -> None:
        try:
            from keystoneauth1.exceptions import ClientException
            from keystoneauth1.loading import register_auth_conf_options
            from keystonemiddleware import auth_token  # type: ignore[import-untyped]
            from keystonemiddleware.exceptions import KeystoneMiddlewareException  # type: ignore[import-untyped]
            from oslo_config import cfg
        except ImportError as error:
            raise KeystoneError(f"it needs keystonemiddleware ({error}); say: pip install 'segue[keystone]'") from None
        self._causes = _Causes()
        for name in ("keystonemiddleware", "keystoneauth"):
            logging.getLogger(name).handlers = [self._causes]
            logging.getLogger(name).setLevel(logging.CRITICAL)
            logging.getLogger(name).propagate = False
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        self._its_fault = auth_token.ServiceError
        conf = cfg.ConfigOpts()
        try:
            conf(["--config-file", str(path)], project="segue", default_config_files=[], default_config_dirs=[])
            for group, options in auth_token.list_opts():
                conf.register_opts(options, group)
            register_auth_conf_options(conf, GROUP)  # in another section, if auth_section names one
            for option, value in DEFAULTS.items():
                conf.set_default(option, value, GROUP)
            conf.set_override("delay_auth_decision", False, GROUP)
            conf.set_override("cache", _NO_CACHE, GROUP)
            self._protocol = auth_token.AuthProtocol(_confirmed, {"oslo_config_config": conf})
            section = conf[conf[GROUP].auth_section or GROUP]
            if not section.auth_type:
                raise KeystoneError(f"{path}: [{GROUP}] has no auth_type; write auth_type = password, and who asks")
            self.uri = str(conf[GROUP].www_authenticate_uri or getattr(section, "auth_url", None) or "")
            self.keep = max(0.0, float(conf[GROUP].token_cache_time))
        except (cfg.Error, ClientException, KeystoneMiddlewareException, OSError, ValueError) as error:
            raise KeystoneError(f"{path}: {' '.join(str(error).split())}") from None
        if not self.uri:
            raise KeystoneError(f"{path}: [{GROUP}] has no www_authenticate_uri; write where people get their tokens")

    def __call__(self, request: Request) -> Known | str:
        status = ""

        def start(said: str, *_: object) -> None:
            nonlocal status
            status = said

        environ = _environ(request)
        self._causes.take()
        try:
            for _ in self._protocol(environ, start):
                pass
            if status.startswith("200") and environ.get("HTTP_X_IDENTITY_STATUS") == "Confirmed":
                return known(environ)
        except Exception as error:  # of whatever its libraries raise: no exception says that the token is wrong
            raise Unreachable(_words(error), it=True) from error
        if status.startswith("401"):
            return "a token that Keystone does not know, or that has ended"
        cause = self._causes.take()
        raise Unreachable(_words(cause) if cause else status, it=not isinstance(cause, self._its_fault))


def _environ(request: Request) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": request.path.encode("utf-8", "surrogateescape").decode("latin-1"),
        "QUERY_STRING": "",
        "SERVER_NAME": "segue",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "HTTP_X_AUTH_TOKEN": request.token,
        _NO_CACHE: _NoCache(),
    }


def _confirmed(_: dict[str, Any], start: Callable[..., object]) -> list[bytes]:
    start("200 OK", [("Content-Length", "0")])
    return []


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:500] or type(error).__name__
