"""Finds controller applications by name or file, and loads files again when they change.

Applications that come with Segue are loaded once. A file is run anew in a module of its own, so what ran before
goes on untouched until the new one is there; a file that did not change keeps the applications that it has.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from segue.apps import NAMES
from segue.cli.errors import Mistake

if TYPE_CHECKING:
    from segue.openflow import App


class Applications:
    """What was asked for on the command line: names of applications that come with Segue, or files of Python."""

    def __init__(self, wanted: Sequence[str]) -> None:
        self._wanted = list(wanted)
        self._stamps: dict[Path, tuple[int, int]] = {}
        self._loaded: dict[Path, tuple[tuple[int, int], list[App]]] = {}

    def load(self) -> list[App]:
        """All of them, and those that they need. Mistake says which cannot be had and why; what was loaded before is
        then as good as it was."""
        self._stamps = {path: _stamp(path) for path in map(_path, self._wanted) if path is not None}
        apps: dict[str, App] = {}
        for word in self._wanted:
            for app in self._apps_of(word):
                if app.name in apps:
                    raise Mistake(f"{word}: an application called {app.name} is there already")
                apps[app.name] = app
        needed = list(apps.values())
        for app in needed:
            for need in app.needs:
                if need in apps:
                    continue
                if need not in NAMES:
                    raise Mistake(f"{app.name} needs {need}, which is not there: give its file too")
                apps[need] = _shipped(need)
                needed.append(apps[need])
        return list(apps.values())

    def changed(self) -> bool:
        """Whether a file is another than when all were loaded last."""
        return any(_stamp(path) != stamp for path, stamp in self._stamps.items())

    def _apps_of(self, word: str) -> list[App]:
        path = _path(word)
        if path is None:
            return [_shipped(word)]
        if path.suffix != ".py":
            raise Mistake(f"there is no application {word!r}; there are {', '.join(NAMES)}, or give a file: FILE.py")
        stamp = self._stamps[path]
        loaded = self._loaded.get(path)
        if loaded is None or loaded[0] != stamp:
            loaded = self._loaded[path] = stamp, _found(word, _run(word, path))
        return loaded[1]


def _path(word: str) -> Path | None:
    """The file that is meant, None for a name."""
    return None if word in NAMES else Path(word).absolute()


def _shipped(name: str) -> App:
    app: App = importlib.import_module(f"segue.apps.{NAMES[name]}").app
    return app


def _found(word: str, module: ModuleType) -> list[App]:
    from segue.openflow import App

    found = getattr(module, "app", None) or getattr(module, "apps", None)
    found = [found] if isinstance(found, App) else found
    if not found or not isinstance(found, (list, tuple)) or not all(isinstance(app, App) for app in found):
        raise Mistake(f'{word} has no application: it must say `app = App("NAME")` at its top level')
    return list(found)


def _run(word: str, path: Path) -> ModuleType:
    """The file's module. It is compiled here, since Python's own cache takes a file for unchanged that was written
    twice in a second with the same length."""
    name = f"segue_app_{path.stem}"
    module = ModuleType(name)
    module.__file__ = str(path)
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    before = sys.modules.get(name)
    sys.modules[name] = module  # some libraries look there for what a class refers to
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    except BaseException as e:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
        if isinstance(e, KeyboardInterrupt):
            raise
        if isinstance(e, OSError) and e.filename == str(path):
            raise Mistake(f"{word}: {e.strerror}") from None
        raise Mistake(f"{word}{_line(e, path)}: {type(e).__name__}: {e}") from e
    return module


def _line(error: BaseException, path: Path) -> str:
    """Where in the file it happened."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f", line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f", line {lines[-1]}" if lines else ""


def _stamp(path: Path) -> tuple[int, int]:
    """Another one when the file is."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size
