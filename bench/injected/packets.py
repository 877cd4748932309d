"""The processes of ``pong`` in the hosts of a network, driven by lines."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from types import TracebackType
from typing import Any

from bench.injected.network import CLIENT, SERVER, Network

PORT = 7_000
PATIENCE = 120.0


class Hosted:
    """``pong`` with these arguments in a host; ``nice``: how far it stands behind others."""

    def __init__(self, network: Network, member: str, *arguments: str, nice: int = 0) -> None:
        command = ["nice", "-n", str(nice), sys.executable, "-m", "bench.injected.pong", *arguments]
        self._process: subprocess.Popen[str] = network.lab.popen(
            member, command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._what = f"{member}: {' '.join(arguments)}"
        assert self._line().strip() == "ready"

    def __enter__(self) -> Hosted:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        print(line, file=self._process.stdin, flush=True)

    def answer(self) -> Any:
        return json.loads(self._line())

    def _line(self) -> str:
        output = self._process.stdout
        assert output is not None
        if not select.select([output], [], [], PATIENCE)[0]:
            raise TimeoutError(f"{self._what}: silent for {PATIENCE:g} s")
        return output.readline()


class Trips:
    """Round trips between the two hosts."""

    def __init__(self, network: Network) -> None:
        self._echo = Hosted(network, SERVER, "echo", str(PORT))
        self._ask = Hosted(network, CLIENT, "ask", network.addresses[SERVER], str(PORT))

    def __enter__(self) -> Trips:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for one in (self._echo, self._ask):
            one.__exit__(kind, error, at)

    def take(self, count: int, kind: str = "same") -> list[float]:
        """Microseconds, of ``count`` round trips of which none was lost."""
        self._ask.tell(f"{count} {kind}")
        found = self._ask.answer()
        if None in found:
            raise RuntimeError(f"{found.count(None)} of {count} datagrams were lost: nothing was measured")
        return [one / 1000 for one in found]
