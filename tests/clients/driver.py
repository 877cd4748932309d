"""A process that has OpenStack's clients loaded: it runs ``openstack`` commands and calls openstacksdk, one after
another, as lines of JSON ask for it.

It is run by the Python of ``.venv-clients``, where nothing of Segue is. To start the command anew would take a second
or two, most of it for imports. ``{"url", "token", "openstack": [word, ...]}`` gives ``{"status", "out", "err"}``;
``{"url", "token", "sdk": "create_port_pair", "words": [...], "options": {...}}`` gives ``{"value"}`` or ``{"fault"}``.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import logging
import sys
import warnings
from collections.abc import Mapping
from typing import Any

Asked = dict[str, Any]


def options(asked: Asked) -> list[str]:
    """Of the command; people give them in the environment (docs/networking-sfc.md), which it reads once."""
    if asked.get("token"):
        return ["--os-auth-type", "admin_token", "--os-token", asked["token"], "--os-endpoint", asked["url"]]
    return ["--os-auth-type", "none", "--os-endpoint", asked["url"]]


def command(asked: Asked) -> Asked:
    """As the program ``openstack`` is run, which is ``openstackclient.shell.main``."""
    main = importlib.import_module("openstackclient.shell").main
    out, err = io.StringIO(), io.StringIO()
    logging.getLogger().handlers.clear()
    forget()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main([*options(asked), *asked["openstack"]])
        except SystemExit as left:
            status = left.code
    return {"status": status or 0, "out": out.getvalue(), "err": err.getvalue()}


def forget() -> None:
    """The connection to the server before, which the command keeps for as long as its process lives."""
    manager = importlib.import_module("openstackclient.common.clientmanager").ClientManager
    for kind in manager.__mro__:
        for kept in vars(kind).values():
            if hasattr(kept, "_handle"):
                kept._handle = None


class Sdk:
    """Connections of openstacksdk, one for each server and token."""

    def __init__(self) -> None:
        self._connections: dict[tuple[str, str | None], Any] = {}

    def __call__(self, asked: Asked) -> Asked:
        openstack = importlib.import_module("openstack")
        key = asked["url"], asked.get("token")
        if key not in self._connections:
            given = {"token": key[1], "auth_type": "admin_token"} if key[1] else {"auth_type": "none"}
            self._connections[key] = openstack.connect(load_yaml_config=False, endpoint=key[0], **given)
        try:
            call = getattr(self._connections[key].network, asked["sdk"])
            return {"value": plain(call(*asked["words"], **asked["options"]))}
        except openstack.exceptions.SDKException as error:
            status = getattr(error, "status_code", None)
            return {"fault": {"type": type(error).__name__, "status": status, "message": str(error)}}


def plain(value: Any) -> Any:
    if hasattr(value, "to_dict"):
        return {name: plain(item) for name, item in value.to_dict().items() if name != "location"}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if value is None or isinstance(value, str | int | float):
        return value
    return [plain(item) for item in value]


def main() -> None:
    warnings.simplefilter("ignore")
    lines, answers = sys.stdin, sys.stdout
    sdk = Sdk()
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in lines:
        asked = json.loads(line)
        print(json.dumps(command(asked) if "openstack" in asked else sdk(asked)), file=answers, flush=True)


if __name__ == "__main__":
    main()
