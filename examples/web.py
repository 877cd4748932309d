"""Real functions in a chain: an nftables firewall, then a Squid cache, in front of nginx, for TCP port 80 alone.

None of the three knows of chains, and the client knows of none of them. `make web` runs this; the commands that it
shows are what you would type.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from segue.lab.control import running
from segue.lab.lab import Lab

FILE = Path(__file__).with_name("web.yaml")
SEGUE = [sys.executable, "-m", "segue"]
LISTEN = "127.0.0.1:7469"
"""Not the usual address, so that the other example may be up as well."""
SERVER = "10.0.2.20"


def main() -> int:
    if os.geteuid() != 0:
        print("this makes network namespaces and switches: run it as root", file=sys.stderr)
        return 1
    name = str(FILE.relative_to(Path.cwd()) if FILE.is_relative_to(Path.cwd()) else FILE)
    title("A network of three nodes; nginx, nftables and Squid each in a place of their own")
    segue("lab", "up", name, "--listen", LISTEN)
    control = running("web")
    if control is not None:
        os.environ["SEGUE_SERVER"] = control.url
        print(f"$ export SEGUE_SERVER={control.url}")
    segue("apply", name, quiet=True)
    lab = Lab.load("web")
    inside(lab, "firewall", "nft", "reset", "counters", shown=False)
    page = f"/page-{time.time():.0f}"

    title("The client asks for a page, twice")
    first = ask(lab, "client", page)
    second = ask(lab, "client", page)

    title("The guest asks for it, whom the firewall lets nothing ask")
    refused = ask(lab, "guest", page)

    title("What is not for TCP port 80 goes beside the chain")
    beside = ask(lab, "client", page, port=8080)
    ping = inside(lab, "guest", "ping", "-c", "1", SERVER)
    print("\n".join(line for line in ping.splitlines() if "bytes from" in line) or ping)

    title("What nginx saw")
    log = inside(lab, "server", "sh", "-c", 'cat "$LAB_DIR/access.log"')
    asked = [line for line in log.splitlines() if line.endswith(page)]
    print("\n".join(asked))

    title("What the firewall counted, in packets")
    counters = inside(lab, "firewall", "nft", "list", "counters")
    counted = parse(counters)
    print("  ".join(f"{what} {packets}" for what, packets in counted.items()))

    title("What the chain counted")
    segue("status", "web")

    as_said = {
        "the first page was made by nginx": "X-Cache: MISS" in first,
        "the second is the cache's copy of it": "X-Cache: HIT" in second and body(first) == body(second),
        "nginx was asked once on port 80": sum("port 80 " in line for line in asked) == 1,
        "the firewall dropped what the guest sent": not refused and counted["refused"] > 0,
        "port 8080 and ping met neither": "X-Cache" not in beside and "1 received" in ping and not counted["others"],
    }
    title("So")
    print("\n".join(f"  {'yes' if held else 'NO '}  {what}" for what, held in as_said.items()))
    print(f"""
The network is still up. Try:
  export SEGUE_SERVER={os.environ.get("SEGUE_SERVER", "")}
  segue trace 'client > server tcp 40000 > 80'           which stages, hops and functions a packet meets
  segue lab exec --lab web client curl -i http://{SERVER}/
  segue lab exec --lab web firewall nft list ruleset     the firewall; change it while packets pass
  segue lab exec --lab web cache ss -tn                  the cache's connections, in the client's and the server's name
  segue delete chain web                                 and the guest gets through
  make clean                                             remove all of it
(`segue` is .venv/bin/segue)""")
    return 0 if all(as_said.values()) else 1


def title(text: str) -> None:
    print(f"\n== {text}", flush=True)


def segue(*arguments: str, quiet: bool = False) -> None:
    """Run a command as a user would, and show it."""
    print(f"$ segue {' '.join(arguments)}", flush=True)
    done = subprocess.run([*SEGUE, *arguments], stdout=subprocess.PIPE if quiet else None, text=True)
    if quiet and done.stdout:
        print(done.stdout.strip().splitlines()[-1])
    if done.returncode:
        raise SystemExit(done.returncode)


def inside(lab: Lab, host: str, *command: str, shown: bool = True) -> str:
    if shown:
        words = " ".join(f"'{word}'" if " " in word else word for word in command)
        print(f"$ segue lab exec --lab web {host} {words}", flush=True)
    return lab.exec(host, command, timeout=30).stdout


def ask(lab: Lab, host: str, page: str, port: int = 80) -> str:
    """What the host got, header and all; empty where it got nothing."""
    at = SERVER if port == 80 else f"{SERVER}:{port}"
    got = inside(lab, host, "curl", "-s", "-i", "--max-time", "2", f"http://{at}{page}").replace("\r", "")
    told = [line for line in got.splitlines() if line.startswith(("HTTP/", "X-Cache:"))]
    print("\n".join(f"  {line}" for line in [*told, body(got)]) if got else "  nothing, for 2 seconds", flush=True)
    return got


def body(answer: str) -> str:
    return answer.partition("\n\n")[2].strip()


def parse(counters: str) -> dict[str, int]:
    """``counter NAME { packets N bytes N }`` of nft -> packets by name."""
    words = counters.split()
    return {words[i + 1]: int(words[i + 4]) for i, word in enumerate(words) if word == "counter"}


if __name__ == "__main__":
    sys.exit(main())
