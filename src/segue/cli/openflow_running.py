"""What ``segue openflow run`` does: the controller, from its options to its end."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import resource
import signal
import sys
from typing import TYPE_CHECKING, Any

from segue.cli.errors import Failure, Mistake
from segue.cli.openflow_apps import Applications

if TYPE_CHECKING:
    from segue.openflow.controller import Controller

_LAST_LINES = 0.5
"""Seconds for writing messages that are not written when it ends."""
_LAST_TASKS = 0.5
"""Seconds for tasks to end after the controller has."""


def run_controller(args: argparse.Namespace) -> int:
    logging.basicConfig(
        level=logging.DEBUG if args.verbose else logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr
    )
    # Each switch is an open file, and by default a process may have 1024: those that say nothing would keep others out.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    applications = Applications(args.apps)
    apps = applications.load()
    factory = None
    if args.spin is not None:
        if not 0 < args.spin <= 10_000:
            raise Mistake(f"--spin {args.spin:g}: between 0 and 10,000 microseconds")
        from segue.openflow.spin import spinning_loop

        spin = args.spin * 1e-6

        def factory() -> asyncio.AbstractEventLoop:
            return spinning_loop(spin)

    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(_run(args, applications, apps))


def _versions(text: str | None) -> Any:
    from segue.openflow.wire import VERSION_NAMES, VERSIONS

    if text is None:
        return VERSIONS
    numbers = {name: number for number, name in VERSION_NAMES.items()}
    wrong = [word for word in text.split(",") if word.strip() not in numbers]
    if wrong:
        raise Mistake(f"--versions: {wrong[0]!r} is not one of {', '.join(numbers)}")
    return {numbers[word.strip()] for word in text.split(",")}


async def _run(args: argparse.Namespace, applications: Applications, apps: Any) -> int:
    from segue.openflow.controller import Controller
    from segue.openflow.endpoint import Certificates

    tls = None
    if args.certificate or args.key or args.ca:
        if not (args.certificate and args.key and args.ca):
            raise Mistake("TLS needs all of --certificate, --key and --ca")
        tls = Certificates(args.certificate, args.key, args.ca)
    lines = show = None
    if args.messages:
        from segue.cli.openflow_show import Lines, Show

        lines = Lines(sys.stdout.fileno(), lambda: os.kill(os.getpid(), signal.SIGTERM))
        show = Show(lines)
    try:
        controller = Controller(apps, versions=_versions(args.versions), keep_flows=args.keep_flows, observe=show)
    except ValueError as e:
        raise Mistake(str(e)) from None
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    listening = args.listen or ([] if args.connect else ["ptcp:127.0.0.1:6653"])
    try:
        addresses = await controller.start(listening, args.connect, tls)
    except ValueError as e:
        raise Mistake(str(e)) from None
    except OSError as e:
        raise Failure(f"cannot listen at {', '.join(listening)}: {e.strerror or e}") from None
    what = ", ".join(app.name for app in controller.apps)
    where = "; ".join(
        [*(f"listening at {address}" for address in addresses), *(f"connecting to {t}" for t in args.connect)]
    )
    print(f"segue: {what}: {where}", file=sys.stderr, flush=True)
    # What was made until now stays for good: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    watching = None if args.no_reload else loop.create_task(_reload(controller, applications))
    await stopped.wait()
    if watching is not None:
        watching.cancel()
    await controller.stop()
    if lines is not None:
        lines.close(_LAST_LINES)
    await _leave()
    return 0


async def _leave() -> None:
    """Ends the process where a handler does not let itself be ended: the event loop would wait for it for ever."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        _, left = await asyncio.wait(others, timeout=_LAST_TASKS)
        if left:
            print("segue: a coroutine does not end when it is cancelled; it is left", file=sys.stderr, flush=True)
            sys.stdout.flush()
            os._exit(0)


async def _reload(controller: Controller, applications: Applications) -> None:
    """Looks twice a second whether a file changed; one that cannot be loaded leaves what runs as it is."""
    while True:
        await asyncio.sleep(0.5)
        if not applications.changed():
            continue
        await asyncio.sleep(0.1)  # an editor may still be writing
        try:
            controller.load(applications.load())
        except (Mistake, ValueError) as e:
            print(f"segue: not loaded again: {e}", file=sys.stderr, flush=True)
        else:
            print("segue: loaded again", file=sys.stderr, flush=True)
