"""Chains change under traffic for as long as one likes; prints what became of every packet.

    sudo .venv/bin/python bench/soak.py --changes 1000 --duration 90

It needs root and Open vSwitch, makes a lab of its own and removes it at the end. Ends with 1 when a packet was lost,
came twice, or saw a mixture of two versions of a chain.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from e2e.churn import Churn, hosts
from e2e.fabric import Fabric


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=1000, help="how many changes (default 1000)")
    parser.add_argument("--duration", type=float, default=600.0, help="seconds at most (default 600)")
    parser.add_argument("--drain", type=float, default=1.0, help="seconds that old paths stay (default 1)")
    parser.add_argument("--seed", type=int, default=1, help="of the choice of changes (default 1)")
    parser.add_argument("--keep", action="store_true", help="keep the logs, also when nothing went wrong")
    options = parser.parse_args()
    with Fabric(hosts(), drain=options.drain) as fabric:
        figures = Churn(fabric, options.seed, lambda text: print(text, flush=True)).run(
            options.changes, options.duration
        )
        print(figures)
        if options.keep or not figures.clean:
            kept = Path(tempfile.mkdtemp(prefix="segue-soak-"))
            for log in fabric.directory.glob("*.log"):
                shutil.copy(log, kept)
            for node in fabric.nodes:
                shutil.copy(fabric.lab.node_rundir(node) / "ovs-vswitchd.log", kept / f"{node}-ovs-vswitchd.log")
            print(f"logs are in {kept}")
    return 0 if figures.clean else 1


if __name__ == "__main__":
    sys.exit(main())
