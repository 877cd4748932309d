"""The inputs that are kept: `corpus/TARGET.txt`, one a line in hexadecimal, `#` before a remark.

python -m openflow.fuzz.corpus write          the seeds anew, and behind them what was found and kept
python -m openflow.fuzz.corpus keep TARGET FILE ...    enter files that Atheris made
"""

from __future__ import annotations

import sys
from pathlib import Path

PLACE = Path(__file__).parent / "corpus"
FOUND = "# found"


def lines(target: str) -> list[str]:
    path = PLACE / f"{target}.txt"
    return path.read_text().splitlines() if path.exists() else []


def inputs(target: str) -> list[bytes]:
    """All that are kept of a target."""
    return [bytes.fromhex(line) for line in lines(target) if not line.startswith("#")]


def found(target: str) -> list[str]:
    """What fuzzing added, with its remarks."""
    kept = lines(target)
    return kept[kept.index(FOUND) + 1 :] if FOUND in kept else []


def write(target: str, more: list[str]) -> None:
    from .seeds import seeds

    own = sorted({data.hex() for data in seeds(target)}, key=lambda line: (len(line), line))
    added = [line for line in dict.fromkeys([*found(target), *more]) if line not in own]
    PLACE.mkdir(exist_ok=True)
    (PLACE / f"{target}.txt").write_text("\n".join(["# seeds", *own, FOUND, *added]) + "\n")


def main(words: list[str]) -> None:
    from .targets import TARGETS

    if words[:1] == ["write"]:
        for target in TARGETS:
            write(target, [])
    elif words[:1] == ["keep"] and words[1:2] and words[1] in TARGETS:
        write(words[1], [Path(name).read_bytes().hex() for name in words[2:]])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
