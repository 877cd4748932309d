"""The userspace datapath's cache of flows, which older releases of Open vSwitch bring up to date wrongly.

When the tables change, a cached flow whose actions have changed is found again by a packet of its own, not by its
identity. Where two cached flows overlap, which is allowed while both do the same, the wrong one of them may be changed,
and the other does what the old tables said until it happens to be looked at again: packets take a path that is there no
more. Open vSwitch 2.17.8, 3.0.5, 3.1.3 and 3.2.0 look up by identity ("dpif-netdev: Fix dpif_netdev_flow_put").

Cached flows made under one state of the tables do not overlap. So before a change that traffic can feel, older releases
are told to empty the cache: packets go on by way of the tables, which in userspace costs time and loses nothing. The
kernel's datapath does not have the fault, and would pay more: it is left alone.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

from segue.drivers.ovs.control import ControlError, appctl

log = logging.getLogger(__name__)

FIXED = {(2, 17): 8, (3, 0): 5, (3, 1): 3}
"""By release: the first patch level without the fault. Releases after these never had it, those before kept it."""
_VERSION = re.compile(r"\(Open vSwitch\) (\d+)\.(\d+)\.(\d+)")


def faulty(version: str) -> bool:
    """``version``: what ``ovs-appctl version`` prints. What cannot be read is taken to be recent."""
    found = _VERSION.search(version)
    if found is None:
        return False
    major, minor, patch = map(int, found.groups())
    return (major, minor) <= max(FIXED) and patch < FIXED.get((major, minor), patch + 1)


class Cache:
    """``rundir``: of the Open vSwitch; ``datapath_type``: of the bridge, as the database spells it."""

    def __init__(self, rundir: Path, datapath_type: str) -> None:
        self._rundir = rundir
        self._userspace = datapath_type == "netdev"
        self._empty = False

    async def examine(self) -> None:
        """Find out whether this switch must be helped; to be called when it has (re)started."""
        if not self._userspace:
            return
        try:
            version = await appctl(self._rundir, "version")
        except ControlError as error:
            log.warning("cannot ask ovs-vswitchd for its version: %s", error)
            return
        self._empty = faulty(version)
        if self._empty:
            log.warning(
                "%s confuses cached flows when tables change; its cache will be emptied before each change. "
                "Open vSwitch 3.1.3 or later needs no such help",
                version.splitlines()[0].strip(),
            )

    async def prepare(self) -> None:
        """Before a change that traffic can feel."""
        if not self._empty:
            return
        try:
            await appctl(self._rundir, "revalidator/purge")
        except ControlError as error:
            log.warning("the cache could not be emptied: %s", error)
