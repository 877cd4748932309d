"""What ovs-ofctl sends: a controller's messages in every version, encoded by Open vSwitch.

`sent(4, "add-flow", "SW", "tcp,actions=output:1")` runs ovs-ofctl against a switch that is a thread here. It speaks
only the version asked for, has one port (number 1, named p1), answers multipart requests with empty replies, and what
has an answer without content with that. Golden packets for controller-to-switch messages thus come from texts, as many
as are wanted. `SW` stands for the switch's socket. Transaction numbers are ovs-ofctl's own. Commands that wait for an
answer that this switch does not give, or that do not end by themselves, are cut off after three seconds and give what
they sent until then.
"""

import contextlib
import socket
import subprocess
import tempfile
import threading
from pathlib import Path
from struct import pack

from .ofctl import available, protocol

__all__ = ["available", "sent", "sent_one"]

_TIMEOUT = 20.0
_HELLO, _ERROR, _ECHO, _EXPERIMENTER, _FEATURES, _GET_CONFIG, _ROLE, _GET_ASYNC, _BUNDLE = 0, 1, 2, 4, 5, 7, 24, 26, 33
_ONF_BUNDLE = pack(">II", 0x4F4E4600, 2300)
_PORT_DESC = 13


def sent(version: int, *words: str, stdin: bytes = b"") -> list[bytes]:
    """All that ovs-ofctl sends for a command, without hello and barriers. ValueError where it refuses its words."""
    with tempfile.TemporaryDirectory(prefix="segue-ofctl-") as directory:
        path = Path(directory) / "switch"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(path))
            listener.listen(4)
            listener.settimeout(_TIMEOUT)
            got: list[bytes] = []
            done = threading.Event()
            thread = threading.Thread(target=_serve, args=(listener, version, got, done), daemon=True)
            thread.start()
            command = [f"unix:{path}" if word == "SW" else word for word in words]
            options = ["-O", protocol(version), "--timeout=3", "--no-names"]
            try:
                ran = subprocess.run(
                    ["ovs-ofctl", *options, *command], input=stdin, capture_output=True, timeout=_TIMEOUT
                )
            finally:
                done.set()
                with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as waker:
                    waker.connect(str(path))
                thread.join(_TIMEOUT)
    messages = [data for data in got if data[1] not in (_HELLO, _ERROR, _barrier(version))]
    if not messages:
        raise ValueError(f"ovs-ofctl {' '.join(words)}: {ran.stderr.decode('utf-8', 'replace').strip()}")
    return messages


def sent_one(version: int, *words: str, stdin: bytes = b"") -> bytes:
    """The last of `sent`: what the command is for comes after what prepares it."""
    return sent(version, *words, stdin=stdin)[-1]


def _serve(listener: socket.socket, version: int, got: list[bytes], done: threading.Event) -> None:
    while not done.is_set():
        try:
            peer, _ = listener.accept()
        except OSError:
            return
        peer.settimeout(_TIMEOUT)
        with peer, contextlib.suppress(OSError):
            if not done.is_set():
                peer.sendall(pack(">BBHI", version, _HELLO, 8, 0))
                _talk(peer, version, got)


def _talk(peer: socket.socket, version: int, got: list[bytes]) -> None:
    held = b""
    while more := peer.recv(65536):
        held += more
        while len(held) >= 8 and len(held) >= (length := max(8, int.from_bytes(held[2:4], "big"))):
            data, held = held[:length], held[length:]
            got.append(data)
            peer.sendall(_reply(version, data))


def _reply(version: int, data: bytes) -> bytes:
    """The answer to a message, nothing to one that wants none or that this switch knows no answer to."""
    kind, body = data[1], data[8:]
    if kind == _ECHO:
        payload = body
    elif kind == _FEATURES:
        actions_or_reserved = bytes(4)
        payload = pack(">QIBxxxI", 1, 0, 2, 0) + actions_or_reserved + (_port(version) if version < 4 else b"")
    elif kind == _GET_CONFIG:
        payload = bytes(4)
    elif kind == (16 if version == 1 else 18):
        # NXM's and the experimenters' multipart messages begin with whose they are
        whose = {0xFFFF: body[4:12] if version == 1 else body[8:16]}.get(int.from_bytes(body[:2], "big"), b"")
        ports = _port(version) if version >= 4 and int.from_bytes(body[:2], "big") == _PORT_DESC else b""
        payload = body[:2] + bytes(2 if version == 1 else 6) + whose + ports
    elif kind == _barrier(version):
        payload = b""
    elif (kind == _ROLE and version >= 3) or (kind == _GET_ASYNC and version >= 4):
        payload = body
    elif kind == _BUNDLE and version >= 5:
        payload = body[:4] + pack(">H", int.from_bytes(body[4:6], "big") + 1) + body[6:8]
        return _message(version, kind, data, payload)
    elif kind == _EXPERIMENTER and body[:8] == _ONF_BUNDLE:
        payload = body[:12] + pack(">H", int.from_bytes(body[12:14], "big") + 1) + body[14:16]
        return _message(version, kind, data, payload)
    else:
        return b""
    return _message(version, kind + 1, data, payload)


def _message(version: int, kind: int, request: bytes, payload: bytes) -> bytes:
    return pack(">BBH", version, kind, 8 + len(payload)) + request[4:8] + payload


def _barrier(version: int) -> int:
    return 18 if version == 1 else 20


def _port(version: int) -> bytes:
    address, name = bytes.fromhex("020000000001"), pack("16s", b"p1")
    if version == 1:
        return pack(">H6s16s6I", 1, address, name, 0, 0, 0, 0, 0, 0)
    if version < 5:
        return pack(">I4x6s2x16s8I", 1, address, name, 0, 0, 0, 0, 0, 0, 0, 0)
    return pack(">IH2x6s2x16sII", 1, 72, address, name, 0, 0) + pack(">HH4x6I", 0, 32, 0, 0, 0, 0, 0, 0)
