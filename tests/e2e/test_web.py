"""The example of real functions, brought up by its own file: nftables and Squid before nginx, for TCP port 80 alone.

What passed where is counted by parties that know nothing of Segue: nftables in the functions, tcpdump at the ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from segue.lab.control import running
from segue.lab.lab import Lab

pytestmark = pytest.mark.root

FILE = Path(__file__).parents[2] / "examples" / "web.yaml"
SERVER = "10.0.2.20"


class Web:
    def __init__(self, name: str) -> None:
        self.name = name
        self.url = ""

    def segue(self, *arguments: str) -> str:
        """From another directory than the file's, which has to find what stands beside it all the same."""
        env = {**os.environ, "SEGUE_SERVER": self.url}
        command = [sys.executable, "-m", "segue", *arguments]
        done = subprocess.run(command, env=env, cwd="/", text=True, capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    @property
    def lab(self) -> Lab:
        return Lab.load(self.name)

    def exec(self, host: str, *command: str) -> str:
        return self.lab.exec(host, command, timeout=30).stdout

    def get(self, host: str, path: str, port: int = 80) -> tuple[str, str]:
        """(what X-Cache says, the page); two empty texts where nothing came."""
        answer = self.exec(host, "curl", "-s", "-i", "--max-time", "2", f"http://{SERVER}:{port}{path}")
        head, _, page = answer.replace("\r", "").partition("\n\n")
        said = [line.split()[1] for line in head.splitlines() if line.startswith("X-Cache:")]
        return "".join(said), page

    def asked(self, path: str) -> list[str]:
        """The lines of nginx's log for ``path``."""
        log = self.exec("server", "sh", "-c", 'cat "$LAB_DIR/access.log"')
        return [line for line in log.splitlines() if line.endswith(f" for {path}")]

    def counters(self, host: str) -> dict[str, int]:
        words = self.exec(host, "nft", "list", "counters").split()
        return {words[i + 1]: int(words[i + 4]) for i, word in enumerate(words) if word == "counter"}

    def reset(self) -> None:
        for host in ("firewall", "cache"):
            self.exec(host, "nft", "reset", "counters")

    def settle(self) -> None:
        """Connections are closed after their answers have been read."""
        before: list[dict[str, int]] = []
        for _ in range(50):
            time.sleep(0.2)
            now = [self.counters("firewall"), self.counters("cache")]
            if now == before:
                return
            before = now
        raise AssertionError(f"packets do not end: {before}")

    @contextmanager
    def watched(self, directory: Path, *hosts: str) -> Iterator[dict[str, int]]:
        """TCP port 80 at the hosts' own interfaces, by 'HOST out' and 'HOST in', filled at the end."""
        seen: dict[str, int] = {}
        captures = {}
        for host in hosts:
            for way in ("out", "in"):
                to_server = (way == "out") == (host != "server")
                expression = f"tcp {'dst' if to_server else 'src'} port 80"
                path = directory / f"{host}-{way}.pcap"
                captures[f"{host} {way}"] = self.lab.capture(host, path, interface="eth0", expression=expression)
        try:
            yield seen
            self.settle()
        finally:
            for what, capture in captures.items():
                done = subprocess.run(
                    ["tcpdump", "-n", "-r", str(capture.stop())], capture_output=True, text=True, check=True
                )
                seen[what] = len(done.stdout.splitlines())


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    made = Web(f"t{os.getpid()}_web")
    try:
        made.segue("lab", "up", str(FILE), "--name", made.name, "--listen", "127.0.0.1:0")
        control = running(made.name)
        assert control is not None
        made.url = control.url
        made.segue("apply", str(FILE))
        yield made
    finally:
        made.segue("lab", "down", made.name)


def test_the_second_page_comes_from_the_cache(web: Web) -> None:
    said, page = web.get("client", "/twice")
    assert said == "MISS"
    assert "/twice, made for 10.0.1.10 at " in page
    assert web.get("client", "/twice") == ("HIT", page)
    assert web.asked("/twice") == ["10.0.1.10 asked port 80 for /twice"]


def test_the_firewall_drops_what_it_should(web: Web) -> None:
    assert web.get("client", "/wanted")[0] == "MISS"
    web.settle()
    web.reset()
    assert web.get("guest", "/wanted") == ("", "")
    web.settle()
    firewall = web.counters("firewall")
    assert firewall["refused"] == firewall["requests"] > 0
    assert firewall["answers"] == 0
    assert web.counters("cache")["requests"] == 0
    assert len(web.asked("/wanted")) == 1


def test_other_packets_do_not_visit(web: Web) -> None:
    web.settle()
    web.reset()
    for host in ("client", "guest"):
        said, page = web.get(host, f"/beside-{host}", port=8080)
        assert (said, page.partition(",")[0]) == ("", f"/beside-{host}")
        assert "1 received" in web.exec(host, "ping", "-c", "1", "-W", "2", SERVER)
    web.settle()
    for host in ("firewall", "cache"):
        assert not any(web.counters(host).values()), web.counters(host)


def test_no_packet_of_port_80_passes_beside(web: Web, tmp_path: Path) -> None:
    """As many in the functions as left one end, and as many at the other end as left the functions."""
    web.settle()
    web.reset()
    long = "/" + "x" * 7000  # some full packets, each way
    with web.watched(tmp_path, "client", "guest", "server") as seen:
        for path in ("/one", "/one", "/two", long):
            assert web.get("client", path)[1].startswith(path)
        assert web.get("guest", "/one") == ("", "")
        assert "1 received" in web.exec("client", "ping", "-c", "1", SERVER)
        assert web.get("client", "/one", port=8080)[0] == ""
    firewall, cache = web.counters("firewall"), web.counters("cache")
    assert seen["client out"] + seen["guest out"] == firewall["requests"]
    assert seen["client out"] == cache["requests"]
    assert seen["guest out"] == firewall["refused"] > 0
    assert seen["client in"] == firewall["answers"] > 20
    assert seen["guest in"] == 0
    assert seen["server out"] == cache["answers"] > 5
    assert (firewall["others"], cache["others"]) == (0, 0)


def test_the_chain_is_what_does_it(web: Web) -> None:
    """Without it both get nginx's pages, always new; with it again, all is as before."""
    web.segue("delete", "chain", "web")
    web.settle()
    web.reset()
    assert web.get("client", "/bare") != web.get("client", "/bare")
    assert web.get("guest", "/bare")[0] == ""
    assert len(web.asked("/bare")) == 3
    web.settle()
    assert not any(web.counters("firewall").values())
    web.segue("apply", str(FILE))
    assert [web.get("client", "/again")[0] for _ in range(2)] == ["MISS", "HIT"]
    assert web.get("guest", "/again") == ("", "")


def test_the_functions_own_files_are_the_labs(web: Web) -> None:
    """They are in the lab's directory, and go with it."""
    own = web.lab.state.own("server")
    assert (own / "access.log").exists()
    assert web.lab.state.path in own.parents
