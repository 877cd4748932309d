"""The library is whole at its front door, and cheap to open."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import segue.openflow
from segue.openflow import protocol
from segue.openflow.declare import FAMILIES, Record
from segue.openflow.names import Numbers

MODULES = [module.name for module in pkgutil.iter_modules(protocol.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_what_a_module_declares_is_exported(name: str) -> None:
    module = importlib.import_module(f"segue.openflow.protocol.{name}")
    declared = {
        name
        for name, thing in vars(module).items()
        if isinstance(thing, type)
        and issubclass(thing, (Record, Numbers))
        and thing.__module__ == module.__name__
        and not name.startswith("_")
    }
    assert declared <= set(protocol.__all__) <= set(segue.openflow.__all__)


def test_everything_exported_is_there() -> None:
    assert all(hasattr(segue.openflow, name) for name in segue.openflow.__all__)
    assert len(set(segue.openflow.__all__)) == len(segue.openflow.__all__)


def test_every_record_of_a_family_says_what_it_is() -> None:
    silent = [record.__name__ for family in FAMILIES for record in family.entries if not record.__doc__]
    assert silent == []


def test_messages_can_be_had_without_an_event_loop() -> None:
    """What opens no socket need not wait for what does: the import loads neither asyncio nor the rest of Segue."""
    script = (
        "import sys, segue.openflow; print(*sorted(m for m in sys.modules if m.split('.')[0] in ('asyncio', 'segue')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "asyncio" not in loaded
    assert [name for name in loaded if name != "segue" and not name.startswith("segue.openflow")] == []
