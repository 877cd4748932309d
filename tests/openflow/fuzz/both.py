"""The library twice in one process: as it was imported, and once more in Python alone.

The second one is made as if SEGUE_PURE_PYTHON were set, and then taken out of `sys.modules` again. Everything that it
imports late must be asked for while it is in there, which is why `pure` imports all modules that the targets use.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from functools import cache
from types import ModuleType, SimpleNamespace
from typing import Any

MODULES = (
    "wire",
    "declare",
    "generate",
    "match",
    "stats",
    "core",
    "codec",
    "connection",
    "as_json",
    "field_text",
    "json_errors",
)
PREFIX = "segue.openflow"


def _modules() -> SimpleNamespace:
    found: dict[str, Any] = {name: importlib.import_module(f"{PREFIX}.{name}") for name in (*MODULES, "pump")}
    protocol = importlib.import_module(f"{PREFIX}.protocol")
    for module in pkgutil.iter_modules(protocol.__path__):
        importlib.import_module(f"{PREFIX}.protocol.{module.name}")
    found["Pump"] = found["core"].Pump
    return SimpleNamespace(**found, protocol=protocol)


@cache
def compiled() -> SimpleNamespace:
    """As everybody imports it. `core.COMPILED` says whether it has the compiled core."""
    return _modules()


@cache
def pure() -> SimpleNamespace:
    """In Python alone."""
    compiled()
    hidden: dict[str, ModuleType] = {
        name: module for name, module in sys.modules.items() if name == PREFIX or name.startswith(PREFIX + ".")
    }
    package = sys.modules["segue"]
    before, attribute = os.environ.get("SEGUE_PURE_PYTHON"), package.openflow  # type: ignore[attr-defined]
    for name in hidden:
        del sys.modules[name]
    os.environ["SEGUE_PURE_PYTHON"] = "1"
    try:
        made = _modules()
    finally:
        for name in [name for name in sys.modules if name == PREFIX or name.startswith(PREFIX + ".")]:
            del sys.modules[name]
        sys.modules.update(hidden)
        package.openflow = attribute  # type: ignore[attr-defined]
        if before is None:
            del os.environ["SEGUE_PURE_PYTHON"]
        else:
            os.environ["SEGUE_PURE_PYTHON"] = before
    assert not made.core.COMPILED and made.codec is not compiled().codec
    return made
