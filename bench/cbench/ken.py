"""Runs one application of os-ken or Ryu: ``python ken.py os_ken|ryu lean|stock|MODULE 1.0|1.3 HOST PORT [PATH...]``.

Executed by the interpreter of the peer's own environment, of which it uses nothing else. This is what ``ryu-manager``
does, without its options; os-ken has no such command any more, and its faster hub is eventlet's.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path


def main() -> None:
    package, application, version, host, port, *paths = sys.argv[1:]
    os.environ["OSKEN_HUB_TYPE"] = "eventlet"
    os.environ["BENCH_KEN"] = package
    os.environ["BENCH_VERSION"] = version
    sys.path[:0] = [str(Path(__file__).parent), *paths]
    if package == "ryu":
        # Its web server, which every manager loads and nothing here uses, expects a name that eventlet has dropped.
        wsgi = import_module("eventlet.wsgi")
        if not hasattr(wsgi, "ALREADY_HANDLED"):
            wsgi.ALREADY_HANDLED = object()  # type: ignore[attr-defined]
    import_module(f"{package}.lib.hub").patch(thread=False)
    configuration = import_module(f"{package}.cfg").CONF
    manager = import_module(f"{package}.base.app_manager").AppManager
    import_module(f"{package}.controller.controller")
    arguments = ["--ofp-listen-host", host, "--ofp-tcp-listen-port", port]
    configuration(args=arguments, project=package, default_config_files=[])
    manager.run_apps([_module(package, application, version)])


def _module(package: str, application: str, version: str) -> str:
    if application != "stock":
        return "ken_lean" if application == "lean" else application
    stock = "simple_switch" if version == "1.0" else "simple_switch_13"
    return f"ryu.app.{stock}" if package == "ryu" else stock


if __name__ == "__main__":
    main()
