"""Looks for inputs that break a target, with Atheris (libFuzzer for Python).

    python -m openflow.fuzz.run TARGET [SECONDS]      (in `tests`, with the environment that scripts/fuzz makes)

The library in Python alone is what is instrumented, the functions that it generates too; the compiled core runs beside
it and must say the same. What was found goes to `build/fuzz/TARGET`; the input that broke something is printed and
kept there as `crash-...`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import atheris

from . import both, corpus

ROOT = Path(__file__).parents[3]
_LONGEST = 4096
_SLOW = 10  # seconds for one input


def main(words: list[str]) -> None:
    name, seconds = words[0], words[1] if len(words) > 1 else "60"
    with atheris.instrument_imports(include=["segue.openflow"], enable_loader_override=False):
        if name == "json":  # of which there is but one, beside any core
            both.compiled()
        lib = both.pure() if name != "json" else both.compiled()
    make = lib.generate.make

    def instrumented(source: str, scope: dict[str, Any], title: str) -> Any:
        return atheris.instrument_func(make(source, scope, title))

    lib.generate.make = instrumented
    from .targets import TARGETS

    place = ROOT / "build" / "fuzz" / name
    inputs = place / "inputs"
    inputs.mkdir(parents=True, exist_ok=True)
    for n, data in enumerate(corpus.inputs(name)):
        (inputs / f"kept-{n:04d}").write_bytes(data)
    settings = [f"-max_total_time={seconds}", f"-max_len={_LONGEST}", f"-timeout={_SLOW}", "-rss_limit_mb=2048"]
    settings += ["-print_final_stats=1", "-verbosity=0", f"-artifact_prefix={place}/"]
    atheris.Setup([sys.argv[0], *settings, str(inputs)], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
