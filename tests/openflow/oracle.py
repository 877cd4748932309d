"""What Open vSwitch's own decoder says of our bytes: `ovs-ofctl ofp-parse`, all messages in one run."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence

import pytest

available = pytest.mark.skipif(shutil.which("ovs-ofctl") is None, reason="Open vSwitch's tools are not installed")

_START = re.compile(r"^(?:OFP|NX|ONF)\w+ .*?\(xid=0x([0-9a-f]+)\):", re.MULTILINE)


def printed(messages: Sequence[bytes]) -> list[str]:
    """One text per message: its name, then whatever the decoder shows. Messages get xids of their own here."""
    numbered = [m[:4] + n.to_bytes(4, "big") + m[8:] for n, m in enumerate(messages, 1)]
    with tempfile.NamedTemporaryFile(prefix="segue-of-", suffix=".bin") as file:
        file.write(b"".join(numbered))
        file.flush()
        command = ["ovs-ofctl", "-O", "OpenFlow15", "-vconsole:off", "ofp-parse", file.name]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    starts = list(_START.finditer(done.stdout))
    ends = [match.start() for match in starts[1:]] + [len(done.stdout)]
    texts = {
        int(match[1], 16): match[0].split(" (OF")[0] + done.stdout[match.end() : end]
        for match, end in zip(starts, ends, strict=True)
    }
    assert len(texts) == len(messages), done.stdout
    return [texts[n].strip() for n in range(1, len(messages) + 1)]
