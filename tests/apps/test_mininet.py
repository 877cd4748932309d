"""Mininet's own ping of all pairs, with `segue openflow run learning-switch` as its controller.

Mininet uses the machine's Open vSwitch, sets limits of the kernel, and when something goes wrong it kills processes by
name. So it runs in namespaces of its own: of the network, of processes, and of mounts with a /tmp and read-only
/proc/sys; there it finds an Open vSwitch that is the test's. All ends with the first process there.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.root

PROJECT = Path(__file__).parent.parent.parent  # which may be below the /tmp that is hidden
PROTOCOLS = {"1.0": "OpenFlow10", "1.3": "OpenFlow13"}
SCRIPT = """
set -e
mount --bind "$PROJECT" /mnt
mount -t tmpfs tmpfs /tmp
mkdir -p "$PROJECT"
mount --bind /mnt "$PROJECT"
mount -o bind,ro /proc/sys /proc/sys
mkdir /tmp/ovs
export OVS_RUNDIR=/tmp/ovs OVS_LOGDIR=/tmp/ovs OVS_DBDIR=/tmp/ovs
quiet="-vconsole:off -vsyslog:off -vfile:off"
ip link set lo up
ovsdb-tool create /tmp/ovs/conf.db /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server $quiet --remote=punix:/tmp/ovs/db.sock --unixctl=/tmp/ovs/db.ctl /tmp/ovs/conf.db &
until [ -S /tmp/ovs/db.sock ]; do sleep 0.1; done
ovs-vsctl --no-wait init
ovs-vswitchd $quiet --unixctl=/tmp/ovs/sw.ctl unix:/tmp/ovs/db.sock &
until [ -S /tmp/ovs/sw.ctl ]; do sleep 0.1; done
"$PYTHON" -m segue openflow run learning-switch --listen ptcp:127.0.0.1:6653 --versions "$VERSION" 2>/tmp/said &
until grep -q listening /tmp/said; do sleep 0.1; done
mn --controller=remote,ip=127.0.0.1,port=6653 --topo "$TOPOLOGY" --test pingall \
  --switch "ovs,protocols=$PROTOCOL,datapath=user"
cat /tmp/said >&2
"""


@pytest.mark.parametrize("topology", ["linear,4", "tree,2"])
@pytest.mark.parametrize("version", PROTOCOLS)
def test_all_pairs_of_mininet_reach_each_other(version: str, topology: str) -> None:
    for program in ("mn", "ovs-vswitchd", "unshare"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHON": sys.executable,
        "PROJECT": str(PROJECT),
        "VERSION": version,
        "PROTOCOL": PROTOCOLS[version],
        "TOPOLOGY": topology,
    }
    said = next(filter(None, (_mininet(environment) for _ in range(5))), "mininet itself did not start")
    assert re.search(r"Results: 0% dropped \(12/12 received\)", said), said
    assert said.count(f"OpenFlow {version}> connected") == (4 if topology.startswith("linear") else 3), said
    assert "failed" not in said


def _mininet(environment: dict[str, str]) -> str:
    """What it said; nothing when it stands still before it has begun: it starts shells on terminals, and now and then
    misses the prompt of one."""
    apart = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    with tempfile.TemporaryFile("w+") as output:

        def said() -> str:
            output.seek(0)
            return output.read()

        with subprocess.Popen([*apart, "bash", "-c", SCRIPT], env=environment, stdout=output, stderr=output) as child:
            try:
                for patience in (15, 60):
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        return ("failed\n" if child.wait(patience) else "") + said()
                    if "*** Starting controller" not in said():
                        return ""
                return said() + "failed: it does not end"
            finally:
                child.kill()
