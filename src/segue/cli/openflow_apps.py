"""Finds controller applications by name or file, and loads them again when their files change."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from segue.apps import NAMES
from segue.cli.errors import Mistake

if TYPE_CHECKING:
    from segue.openflow import App


class Applications:
    """What was asked for on the command line: names of applications that ship with Segue, or files of Python."""

    def __init__(self, wanted: Sequence[str]) -> None:
        self._wanted = list(wanted)
        self._files: dict[Path, float] = {}

    def load(self) -> list[App]:
        """All of them, and those that they need. Mistake says which cannot be had and why."""
        apps: dict[str, App] = {}
        waiting = list(self._wanted)
        for word in waiting:
            for app in self._apps_of(word):
                if app.name in apps:
                    raise Mistake(f"{word}: an application called {app.name} is there already")
                apps[app.name] = app
                waiting += [need for need in app.needs if need not in waiting and need not in apps]
        return list(apps.values())

    def changed(self) -> bool:
        """Whether a file of theirs is another than when it was loaded."""
        return any(_when(path) != when for path, when in self._files.items())

    def _apps_of(self, word: str) -> Iterable[App]:
        module = self._module(word)
        from segue.openflow import App

        found = getattr(module, "app", None) or getattr(module, "apps", None)
        found = [found] if isinstance(found, App) else found
        if not isinstance(found, (list, tuple)) or not all(isinstance(app, App) for app in found):
            raise Mistake(f'{word} has no application: it must say `app = App("NAME")` at its top level')
        return found

    def _module(self, word: str) -> ModuleType:
        if word in NAMES:
            name = f"segue.apps.{NAMES[word]}"
            again = name in sys.modules
            module = importlib.import_module(name)
            self._files[Path(str(module.__file__))] = _when(Path(str(module.__file__)))
            return importlib.reload(module) if again else module
        path = Path(word)
        if path.suffix != ".py":
            raise Mistake(f"there is no application {word!r}; there are {', '.join(NAMES)}, or give a file: FILE.py")
        if not path.is_file():
            raise Mistake(f"{word}: there is no such file")
        path = path.resolve()
        self._files[path] = _when(path)
        if str(path.parent) not in sys.path:
            sys.path.insert(0, str(path.parent))
        name = "segue_app_" + path.stem
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as e:
            place = next(
                (frame for frame in reversed(traceback.extract_tb(e.__traceback__)) if frame.filename == str(path)),
                None,
            )
            line = getattr(e, "lineno", None) or (place.lineno if place else None)
            raise Mistake(f"{word}{f', line {line}' if line else ''}: {type(e).__name__}: {e}") from e
        return module


def _when(path: Path) -> float:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
