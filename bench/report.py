"""Tables of what was measured, in Markdown, and the machine that they were measured on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles

import msgspec

from segue import __version__


class Table(msgspec.Struct):
    """``note``: what is compared, and how it was done."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]] = ()
    note: str = ""

    def markdown(self) -> str:
        lines = [f"### {self.title}", ""]
        if self.note:
            lines += [self.note, ""]
        lines += ["| " + " | ".join(self.columns) + " |", "| --- |" + " ---: |" * (len(self.columns) - 1)]
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        return "\n".join(lines) + "\n"


def figure(value: float, unit: str = "") -> str:
    """Three digits, and a unit."""
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{text} {unit}".rstrip()


def spread(values: Sequence[float], unit: str = "") -> str:
    """The median, with the first and ninth decile of the rounds."""
    if len(values) < 2:
        return figure(values[0], unit)
    deciles = quantiles(values, n=10, method="inclusive")
    return f"{figure(median(values), unit)} ({figure(deciles[0])} to {figure(deciles[-1])})"


def ratio(value: Sequence[float], base: Sequence[float]) -> str:
    return f"{median(value) / median(base):.2f}"


def said(*command: str) -> str:
    """What a command prints first."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except OSError:
        return "not installed"
    return (done.stdout or done.stderr).strip().splitlines()[0]


def machine(arguments: Sequence[str]) -> str:
    """Where, with what, and by which command."""
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", info)
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    cores = len(os.sched_getaffinity(0))
    facts = {
        "command": " ".join(["python -m bench", *arguments]),
        "processor": f"{model[1] if model else platform.machine()}, {cores} cores",
        "memory": f"{int(memory[1]) / (1 << 20):.0f} GiB" if memory else "unknown",
        "system": f"{_system()}, Linux {platform.release()}",
        "Python": platform.python_version(),
        "Segue": f"{__version__}, commit {said('git', 'rev-parse', '--short', 'HEAD')}",
        "Open vSwitch": said("ovs-vswitchd", "--version"),
        "OVN": said("ovn-northd", "--version"),
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }
    return "\n".join(f"- {name}: {value}" for name, value in facts.items()) + "\n"


def _system() -> str:
    found = re.search(r'PRETTY_NAME="(.*)"', Path("/etc/os-release").read_text())
    return found[1] if found else "unknown"


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
