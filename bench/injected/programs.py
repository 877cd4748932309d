"""The controllers as processes: each listens for switches, and is told over a unix socket what to do.

switches            -> the datapath ids of those that are connected
clear ID            removes all flows, and waits for the barrier
add ID COUNT FIRST  -> seconds that so many flow-mods took, from the first of them to the answer of a barrier
packets             -> how many packet-ins have come
"""

from __future__ import annotations

import json
import socket
import sys
import time
from types import TracebackType
from typing import Any

from bench.cbench import build
from bench.injected.network import NODE, Network

PORTS = {"os-ken": 16653, "own": 16654, "sink": 16655}
START = 60.0


class Program:
    """``name``: of ``PORTS``; it runs in the node's namespace."""

    def __init__(self, network: Network, name: str) -> None:
        self.port = PORTS[name]
        self._name = name
        self._network = network
        control = str(network.directory / f"{name}.control")
        self._log = (network.directory / f"{name}.log").open("ab")
        self.process = network.lab.popen(
            NODE, _command(name, control), env=_environment(control), stdout=self._log, stderr=self._log
        )
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        end = time.monotonic() + START
        while True:
            try:
                self._sock.connect(control)
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    self.__exit__(None, None, None)
                    raise RuntimeError(f"{name} does not run: {network.log(name)[-2000:]}") from None
                time.sleep(0.05)
        self._stream = self._sock.makefile("rw")

    def __enter__(self) -> Program:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._sock.close()
        self.process.kill()
        self.process.wait()
        self._log.close()

    def wait_for(self, *switches: int) -> None:
        found = set(switches)
        self._network.until(lambda: found <= set(self._ask("switches")), "the switches to connect", within=60)

    def clear(self, switch: int) -> None:
        self._ask("clear", switch)

    def add(self, switch: int, count: int, first: int = 0) -> float:
        return float(self._ask("add", switch, count, first))

    def packets(self) -> int:
        return int(self._ask("packets"))

    def _ask(self, *words: object) -> Any:
        self._stream.write(" ".join(map(str, words)) + "\n")
        self._stream.flush()
        line = self._stream.readline()
        if not line:
            raise RuntimeError(f"{words}: the controller has ended: {self._network.log(self._name)[-2000:]}")
        return json.loads(line)


def _command(name: str, control: str) -> list[str]:
    host, port = "127.0.0.1", str(PORTS[name])
    if name != "os-ken":
        return [sys.executable, "-m", "bench.injected.own_program", control, port]
    here = str(build.HERE.parent / "injected")
    return [str(build.os_ken()), str(build.HERE / "ken.py"), "os_ken", "ken_program", "1.3", host, port, here]


def _environment(control: str) -> dict[str, str]:
    return {"BENCH_CONTROL": control, "PYTHONWARNINGS": "ignore"}
