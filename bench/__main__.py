"""``python -m bench [NAME...] [--quick]``, as root, in the project's directory."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time

from bench.report import machine, progress

NAMES = (
    "compile",
    "apply",
    "flows",
    "coldstart",
    "throughput",
    "memory",
    "codec",
    "pump",
    "controllers",
    "networking-sfc",
    "services",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Runs benchmarks and prints their tables.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="small sizes and few rounds: whether it works, no more")
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are: {', '.join(NAMES)}")
    if os.geteuid() != 0:
        print("this makes network namespaces and switches: run it as root", file=sys.stderr)
        return 1
    print(machine(sys.argv[1:]), flush=True)
    for name in options.names or NAMES:
        begun = time.monotonic()
        for table in importlib.import_module(f"bench.{name.replace('-', '_')}").run(options.quick):
            print(table.markdown(), flush=True)
        progress(f"{name}: {time.monotonic() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
