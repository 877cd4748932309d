"""What the examples of injected services share: a network that is brought up, services and their tokens, and telling.

A *place* is a lab with its server. A *service* is what the holder of a token has: its virtual switch, over HTTP, or by
OpenFlow for an application (``segue.openflow.App``) that ``conducted`` runs in a thread of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from segue.lab import namespace
from segue.lab.control import running
from segue.lab.lab import Lab
from segue.openflow import App
from segue.openflow.controller import Controller

T = TypeVar("T")
SEGUE = [sys.executable, "-m", "segue"]


class Place:
    """A lab that is up, with its server at ``url``."""

    def __init__(self, name: str) -> None:
        control = running(name)
        if control is None:
            raise SystemExit(f"lab {name} has no server; remove it with: segue lab down {name}")
        self.name, self.url = name, control.url
        self.lab = Lab.load(name)

    def segue(self, *arguments: str, shown: bool = True) -> str:
        """Runs a command as a user would; what it says."""
        if shown:
            say(f"$ segue {shlex.join(arguments)}")
        env = {**os.environ, "SEGUE_SERVER": self.url}
        done = subprocess.run([*SEGUE, *arguments], env=env, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise SystemExit(done.returncode)
        return done.stdout

    def exec(self, host: str, *command: str, shown: bool = False, timeout: float = 60) -> str:
        """What a command says in a host."""
        if shown:
            say(f"$ segue lab exec --lab {self.name} {host} {shlex.join(command)}")
        return self.lab.exec(host, command, timeout=timeout).stdout

    def within(self, host: str, make: Callable[[], T]) -> T:
        """Calls ``make`` in the network of a host. A socket that it opens stays there, wherever it is used: so has a
        program its packets in the host, and its connection to Segue here, as over a management network."""
        return namespace.inside(self.lab.namespace(host), make)


def brought_up(file: Path, name: str = "") -> Place:
    """The network of ``file``, with all that it declares in force. ``name``: the lab's, if not the file's."""
    if os.geteuid() != 0:
        raise SystemExit("this makes network namespaces and switches: run it as root")
    shown = str(file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file)
    named = ["--name", name] if name else []
    command = ["lab", "up", shown, *named, "--listen", "127.0.0.1:0"]
    say(f"$ segue {shlex.join(command)}")
    done = subprocess.run([*SEGUE, *command], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(done.returncode)
    place = Place(name or file.stem)
    say(f"$ export SEGUE_SERVER={place.url}")
    say(place.segue("apply", shown).strip().splitlines()[-1])
    return place


class Refused(Exception):
    """What the server answered to what it does not do."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class Service:
    """A service as the holder of its token has it. Making one gives it a new token: the one before holds no more."""

    def __init__(self, place: Place, name: str) -> None:
        self.place, self.name = place, name
        self.token = ""
        self.token = self.ask("POST", "/token", {})["token"]

    def ask(self, method: str, path: str = "", body: Any = None) -> Any:
        """``path``: below the service's own. Raises Refused."""
        request = urllib.request.Request(f"{self.place.url}/v1/services/{self.name}{path}", method=method)
        if self.token:
            request.add_header("authorization", f"Bearer {self.token}")
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            request.add_header("content-type", "application/json")
        try:
            with urllib.request.urlopen(request, data, timeout=30) as response:
                text = response.read()
        except urllib.error.HTTPError as error:
            raise Refused(error.code, error.read().decode(errors="replace")) from None
        return json.loads(text) if text else None

    def ports(self) -> dict[str, int]:
        """The number of each of its ports, by the element's name."""
        return {port["name"]: port["number"] for port in self.ask("GET")["ports"]}

    def flows(self) -> list[dict[str, Any]]:
        """As flow mods, each with its ``packet_count`` and ``byte_count``."""
        found: list[dict[str, Any]] = self.ask("GET", "/flows")["flows"]
        return found

    def put(self, flows: Sequence[Mapping[str, Any]], table: int = 0) -> None:
        """The table holds these flows, and no others; they are in force when this returns."""
        self.ask("PUT", f"/flows/{table}", {"flows": list(flows)})

    def packets(self) -> int:
        """How many packets its flows have met."""
        return sum(flow["packet_count"] for flow in self.flows())


@contextmanager
def conducted(app: App, *services: Service) -> Iterator[Controller]:
    """An OpenFlow controller with this application, to which Segue connects the virtual switches of ``services``. They
    are connected when this begins; when it ends the controller does, and the flows stay."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name=app.name, daemon=True)
    thread.start()

    async def make() -> tuple[Controller, list[str]]:
        controller = Controller([app])
        return controller, await controller.start(["ptcp:0:127.0.0.1"])

    controller, addresses = asyncio.run_coroutine_threadsafe(make(), loop).result(10)
    try:
        for service in services:
            service.ask("PUT", "/controller", {"target": addresses[0].replace("ptcp:", "tcp:")})
        until(lambda: len(controller.switches) == len(services), "the virtual switches to connect")
        yield controller
    finally:
        asyncio.run_coroutine_threadsafe(controller.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def until(condition: Callable[[], T], what: str, within: float = 15.0) -> T:
    """What ``condition`` returns once it is true."""
    end = time.monotonic() + within
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited {within:g} s for {what}")
        time.sleep(0.02)
    return value


def watch(program: str, lines: Sequence[str]) -> int:
    """Says what is added to ``lines``, until Ctrl-C."""
    title(f"The {program} runs until Ctrl-C")
    said = 0
    try:
        while True:
            for line in lines[said:]:
                say(f"  {line}")
                said += 1
            time.sleep(0.1)
    except KeyboardInterrupt:
        return 0


def say(text: str) -> None:
    print(text, flush=True)


def title(text: str) -> None:
    say(f"\n== {text}")


def verdict(held: Mapping[str, bool]) -> int:
    """Says of each claim whether it held; the status to exit with."""
    title("So")
    say("\n".join(f"  {'yes' if one else 'NO '}  {what}" for what, one in held.items()))
    return 0 if all(held.values()) else 1
