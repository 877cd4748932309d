"""``python -m bench.cbench PEER VERSION [OPTION...]``: one measurement of one peer; the options are the generator's."""

from __future__ import annotations

import sys

import msgspec

from bench.cbench.peers import PEERS, SPINNING
from bench.cbench.runner import RunError, measure


def main() -> int:
    known = {peer.name: peer for peer in (*PEERS, SPINNING)}
    if len(sys.argv) < 3 or sys.argv[1] not in known:
        print(f"usage: python -m bench.cbench PEER 1.0|1.3 [OPTION...], of: {'; '.join(known)}", file=sys.stderr)
        return 2
    try:
        result = measure(known[sys.argv[1]], sys.argv[2], *sys.argv[3:])
    except RunError as failure:
        print(failure, file=sys.stderr)
        return 1
    print(f"{result.handled:,.0f} packet-ins per second of processor time; {msgspec.json.encode(result).decode()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
