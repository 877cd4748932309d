"""What benchmarks need and the project does not: the controllers' generator, compiled, and the peers' packages.

All of it is kept in ``.venv-bench/`` of the project, made at first use, and made again when what it is made from
changes. Nothing is installed into the environment that runs the benchmark.

- os-ken: its current release no longer carries the stock applications; they are taken from release 1.0.0, where they
  are files of the same interface.
- Ryu: its release needs a setuptools before 58 to build, without isolation.
- Neutron: with networking-sfc, and a uWSGI that is there as a wheel.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.report import progress

HERE = Path(__file__).parent
CACHE = HERE.parent.parent / ".venv-bench"
FLAGS = ("-O2", "-flto", "-std=gnu11", "-Wall", "-Wextra")

OS_KEN = ("os-ken==4.2.2", "eventlet==0.41.3")
RYU = ("ryu==4.34", "eventlet==0.41.3", "dnspython==2.9.2")
RYU_TOOLS = ("setuptools<58", "pbr", "wheel")
NEUTRON = ("neutron==29.0.0", "networking-sfc==23.0.0", "pyuwsgi==2.0.30.post1")
STOCK = "os-ken==1.0.0"
STOCK_FILES = ("os_ken/app/simple_switch.py", "os_ken/app/simple_switch_13.py")


class BuildError(Exception):
    pass


def generator(directory: Path = CACHE) -> Path:
    """The compiled generator."""
    program = directory / "cbench"
    sources = sorted(HERE.glob("*.c"))

    def make() -> None:
        _call(["cc", *FLAGS, "-o", str(program), *(str(source) for source in sources)])

    texts = [source.read_text() for source in [*sources, *HERE.glob("*.h")]]
    _once(program, "".join([*texts, *FLAGS]), "compiling the generator", make)
    return program


def os_ken() -> Path:
    """The interpreter of an environment that has os-ken."""
    return _environment("os-ken", [OS_KEN])


def ryu() -> Path:
    """The interpreter of an environment that has Ryu."""
    return _environment("ryu", [RYU_TOOLS, ("--no-build-isolation", *RYU)])


def neutron() -> Path:
    """The interpreter of an environment that has Neutron and networking-sfc."""
    return _environment("neutron", [NEUTRON])


def stock_applications() -> Path:
    """A directory with os-ken's own ``simple_switch.py`` and ``simple_switch_13.py``."""
    directory = CACHE / "stock"
    python = os_ken()

    def make() -> None:
        directory.mkdir(parents=True, exist_ok=True)
        _call([str(python), "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", STOCK], directory)
        with zipfile.ZipFile(next(directory.glob("*.whl"))) as wheel:
            for name in STOCK_FILES:
                (directory / Path(name).name).write_bytes(wheel.read(name))

    _once(directory, STOCK, f"fetching the stock applications of {STOCK}", make)
    return directory


def _environment(name: str, steps: Sequence[Sequence[str]]) -> Path:
    directory = CACHE / name
    python = directory / "bin" / "python"

    def make() -> None:
        venv.create(directory, clear=True, with_pip=True)
        for step in steps:
            _call([str(python), "-m", "pip", "install", "-q", *step])

    asked = sys.version + "\n".join(" ".join(step) for step in steps)
    _once(directory, asked, f"installing {name} into {directory}", make)
    return python


def _once(target: Path, made_from: str, what: str, make: Callable[[], None]) -> None:
    """Make ``target``, unless it was made from the same before."""
    digest = hashlib.sha256(made_from.encode()).hexdigest()
    mark = target.with_name(f"{target.name}.made")
    if target.exists() and mark.exists() and mark.read_text() == digest:
        return
    progress(f"bench: {what}")
    target.parent.mkdir(parents=True, exist_ok=True)
    make()
    mark.write_text(digest)


def _call(command: Sequence[str], directory: Path | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd=directory, timeout=600)
    if done.returncode:
        raise BuildError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()[-2000:]}")
