"""TLS of `segue openflow decode`, `watch` and `replay`, with certificates that openssl made, and with openssl and
Open vSwitch at the other end."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_session import Session
from openflow_peers import PATIENCE, Command, Peer, temporary

from segue.cli.openflow_time import text
from segue.openflow import BarrierReply, BarrierRequest, EchoRequest, FeaturesReply, FeaturesRequest, Hello, codec
from segue.openflow.wire import V13

HELLO = codec.encode(Hello(), 1, V13)
ASK = codec.encode(FeaturesRequest(), 2, V13)
REPLY = codec.encode(FeaturesReply(datapath_id=0x2A), 2, V13)


class Authority:
    """One that signs, with a certificate for each name."""

    def __init__(self, place: Path, names: tuple[str, ...]) -> None:
        self.place = place
        place.mkdir()
        new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        self._openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=ca")
        for name in names:
            self._openssl("req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
            signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2")
            self._openssl("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem")

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.place, check=True, capture_output=True)

    @property
    def ca(self) -> str:
        return f"{self.place}/ca.pem"

    def files(self, name: str) -> tuple[str, str]:
        return f"{self.place}/{name}.pem", f"{self.place}/{name}.key"

    def options(self, name: str, prefix: str = "--") -> tuple[str, ...]:
        certificate, key = self.files(name)
        return f"{prefix}certificate", certificate, f"{prefix}key", key, f"{prefix}ca", self.ca

    def context(self, name: str, *, server: bool) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
        made.check_hostname = False
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_cert_chain(*self.files(name))
        made.load_verify_locations(self.ca)
        return made

    def call(self, port: int, name: str = "switch") -> Peer:
        plain = socket.create_connection(("127.0.0.1", port), PATIENCE)
        return Peer(self.context(name, server=False).wrap_socket(plain))


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("near") / "pki", ("segue", "switch", "controller"))


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("far") / "pki", ("segue", "switch", "controller"))


class Listening:
    """A controller, or a switch, that is called with TLS."""

    def __init__(self, authority: Authority) -> None:
        self._plain = socket.create_server(("127.0.0.1", 0))
        self._plain.settimeout(PATIENCE)
        self._context = authority.context("controller", server=True)
        self.port: int = self._plain.getsockname()[1]

    def accept(self) -> Peer:
        link, _ = self._plain.accept()
        link.settimeout(PATIENCE)
        return Peer(self._context.wrap_socket(link, server_side=True))

    def __enter__(self) -> Listening:
        return self

    def __exit__(self, *_: object) -> None:
        self._plain.close()


class Secure(Command):
    """A command that listens at pssl:; its port is in what it says."""

    def __init__(self, *words: str) -> None:
        super().__init__(*words, listens=False)
        assert self.process.stderr is not None
        self.said = self.process.stderr.readline()
        found = re.search(r"pssl:(\d+)", self.said)
        assert found, self.said + self.process.stderr.read()
        self.port = int(found[1])


def test_watch_between_two_authorities(near: Authority, far: Authority) -> None:
    own = (*near.options("segue"), *far.options("segue", "--target-"))
    with Listening(far) as controllers:
        words = ("watch", f"ssl:127.0.0.1:{controllers.port}", "--listen", "pssl:0:127.0.0.1", "-o", "json", *own)
        with Secure(*words) as command, near.call(command.port) as switch, controllers.accept() as controller:
            switch.send(HELLO)
            assert controller.hear() == HELLO
            controller.send(HELLO, ASK)
            assert (switch.hear(), switch.hear()) == (HELLO, ASK)
            switch.send(REPLY)
            assert controller.hear() == REPLY
            found = [json.loads(command.line()) for _ in range(4)]
            controller.link.close()
            assert switch.hear() == b""  # one side's end is the other's
    assert [obj["type"] for obj in found][-2:] == ["OFPT_FEATURES_REQUEST", "OFPT_FEATURES_REPLY"]


@pytest.mark.parametrize("secure", ["switch", "controller"])
def test_watch_with_tls_on_one_side(near: Authority, secure: str) -> None:
    with contextlib.ExitStack() as stack:
        if secure == "switch":
            plain = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            target, listen = f"tcp:127.0.0.1:{plain.getsockname()[1]}", "pssl:0:127.0.0.1"
        else:
            controllers = stack.enter_context(Listening(near))
            target, listen = f"ssl:127.0.0.1:{controllers.port}", "ptcp:0:127.0.0.1"
        made = Secure if secure == "switch" else Command
        words = ("watch", target, "--listen", listen, "-o", "json", *near.options("segue"))
        command = stack.enter_context(made(*words))
        if secure == "switch":
            switch = stack.enter_context(near.call(command.port))
            controller = stack.enter_context(Peer(plain.accept()[0]))
        else:
            switch = stack.enter_context(Peer(socket.create_connection(("127.0.0.1", command.port))))
            controller = stack.enter_context(controllers.accept())
        switch.send(HELLO)
        assert controller.hear() == HELLO
        controller.send(ASK)
        assert switch.hear() == ASK
        switch.link.close()
        assert controller.hear() == b""


def test_watch_tells_who_was_not_let_in_and_goes_on(near: Authority, far: Authority) -> None:
    with Listening(near) as controllers:
        words = ("watch", f"ssl:127.0.0.1:{controllers.port}", "--listen", "pssl:0:127.0.0.1", *near.options("segue"))
        with Secure(*words, "-o", "json") as command:
            assert command.process.stderr is not None
            with contextlib.suppress(OSError), far.call(command.port) as stranger:
                stranger.hear()
            assert re.search(r"127\.0\.0\.1:\d+: TLS: .*", command.process.stderr.readline())
            with near.call(command.port) as switch, controllers.accept() as controller:
                switch.send(HELLO)
                assert controller.hear() == HELLO
        with Secure(*words[:4], *far.options("segue"), "-o", "json") as command, far.call(command.port) as switch:
            assert command.process.stderr is not None
            with contextlib.suppress(ssl.SSLError):
                controllers.accept()
            assert switch.hear() == b""  # the controller is of another authority
            assert "cannot connect to ssl:" in command.process.stderr.readline()


@pytest.mark.skipif(not shutil.which("ovs-ofctl"), reason="needs ovs-ofctl")
def test_ovs_ofctl_through_watch(near: Authority) -> None:
    """`probe` says hello and asks for an echo."""

    def answer(controllers: Listening) -> None:
        with controllers.accept() as peer:
            peer.send(HELLO)
            while message := peer.hear():
                if message[1] == 2:
                    peer.send(message[:1] + b"\3" + message[2:])

    with Listening(near) as controllers:
        thread = threading.Thread(target=answer, args=(controllers,), daemon=True)
        thread.start()
        words = ("watch", f"ssl:127.0.0.1:{controllers.port}", "--listen", "pssl:0:127.0.0.1", *near.options("segue"))
        with Secure(*words, "-o", "json") as command:
            certificate, key = near.files("switch")
            own = ("-p", key, "-c", certificate, "-C", near.ca, "-O", "OpenFlow13", "-t", "5")
            done = subprocess.run(
                ["ovs-ofctl", *own, "probe", f"ssl:127.0.0.1:{command.port}"],
                capture_output=True,
                text=True,
                timeout=PATIENCE,
            )
            assert done.returncode == 0, done.stderr
            kinds = {json.loads(command.line())["type"] for _ in range(4)}
        thread.join(PATIENCE)
    assert kinds == {"OFPT_HELLO", "OFPT_ECHO_REQUEST", "OFPT_ECHO_REPLY"}


# -- decode -----------------------------------------------------------------------------------------------------------


def test_decode_is_called_by_openssl(near: Authority) -> None:
    with Secure("decode", "--listen", "pssl:0:127.0.0.1", *near.options("segue"), "-o", "json") as command:
        certificate, key = near.files("switch")
        words = ("-connect", f"127.0.0.1:{command.port}", "-CAfile", near.ca, "-cert", certificate, "-key", key)
        subprocess.run(
            ["openssl", "s_client", "-quiet", "-no_ign_eof", *words],
            input=HELLO + ASK,
            capture_output=True,
            timeout=PATIENCE,
        )
        status, out, err = command.end()
    assert status == 0, err
    assert [json.loads(line)["type"] for line in out.splitlines()] == ["OFPT_HELLO", "OFPT_FEATURES_REQUEST"]


def test_decode_refuses_whom_nobody_signed(near: Authority, far: Authority) -> None:
    with Secure("decode", "--listen", "pssl:0:127.0.0.1", *near.options("segue")) as command:
        with contextlib.suppress(OSError), far.call(command.port) as stranger:
            stranger.hear()
        status, out, err = command.end()
    assert (status, out) == (1, "") and "TLS: " in err


def test_decode_calls(near: Authority, far: Authority, nowhere: Session) -> None:
    def once(controllers: Listening) -> None:
        with contextlib.suppress(OSError), controllers.accept() as peer:
            peer.send(HELLO, ASK)

    for authority, status in ((near, 0), (far, 1)):
        with Listening(near) as controllers:
            thread = threading.Thread(target=once, args=(controllers,))
            thread.start()
            target = f"ssl:127.0.0.1:{controllers.port}"
            ran = nowhere("openflow", "decode", "--connect", target, *authority.options("segue"), "-o", "json")
            thread.join(PATIENCE)
        assert ran.status == status, ran.err
        if status:
            assert "TLS: certificate verify failed" in ran.err
        else:
            assert len(ran.out.splitlines()) == 2


# -- replay -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def recorded(tmp_path: Path) -> str:
    said = [
        ("switch", HELLO),
        ("controller", HELLO),
        ("controller", codec.encode(BarrierRequest(), 3, V13)),
        ("switch", codec.encode(BarrierReply(), 3, V13)),
        ("switch", codec.encode(EchoRequest(), 4, V13)),
    ]
    lines = [
        json.dumps({"time": text(number), "connection": 1, "from": side, "hex": data.hex()})
        for number, (side, data) in enumerate(said)
    ]
    return temporary(tmp_path / "r", "\n".join(lines) + "\n")


def test_replay_calls(near: Authority, nowhere: Session, recorded: str) -> None:
    heard: list[bytes] = []

    def once(controllers: Listening) -> None:
        with controllers.accept() as peer:
            peer.send(HELLO)
            heard.extend(iter(peer.hear, b""))

    with Listening(near) as controllers:
        thread = threading.Thread(target=once, args=(controllers,))
        thread.start()
        words = (recorded, f"ssl:127.0.0.1:{controllers.port}", "--fast", "--patience", "0.5", "-o", "json")
        ran = nowhere("openflow", "replay", *words, *near.options("segue"))
        thread.join(PATIENCE)
    assert ran.status == 0, ran.err
    assert [message[1] for message in heard] == [0, 21]


def test_replay_is_called(near: Authority, recorded: str) -> None:
    words = ("--from", "controller", "--fast", "--patience", "1", "-o", "json")
    with Secure("replay", recorded, "pssl:0:127.0.0.1", *words, *near.options("segue")) as command:
        with near.call(command.port) as switch:
            switch.send(HELLO)
            assert [switch.hear()[1] for _ in range(2)] == [0, 20]
            switch.send(codec.encode(BarrierReply(), 3, V13))
            status, out, err = command.end()
    assert (status, json.loads(out)["differences"]) == (0, {}), err


# -- what is wrong ----------------------------------------------------------------------------------------------------


def _wrong() -> Iterator[tuple[list[str], str]]:
    watch = ["watch", "ssl:127.0.0.1:1", "--listen", "ptcp:0:127.0.0.1"]
    yield watch, "TLS needs --certificate, --key and --ca"
    yield [*watch, "--certificate", "x"], "TLS needs all of --certificate, --key and --ca"
    yield [*watch, "--target-key", "x"], "TLS needs all of --target-certificate, --target-key and --target-ca"
    yield [*watch, "--certificate", "x", "--key", "x", "--ca", "x"], "TLS: there is no file x"
    plain = ["watch", "tcp:127.0.0.1:1", "--listen", "ptcp:0:127.0.0.1", "--certificate", "x", "--key", "x"]
    yield [*plain, "--ca", "x"], "--certificate is for TLS"
    yield ["decode", "--connect", "nope"], "write tcp:HOST:PORT, ssl:HOST:PORT or unix:PATH"
    yield ["decode", "--listen", "pssl:0"], "TLS needs --certificate, --key and --ca"
    yield ["replay", "r", "pssl:0"], "TLS needs --certificate, --key and --ca"


@pytest.mark.parametrize(("words", "said"), list(_wrong()))
def test_mistakes(nowhere: Session, words: list[str], said: str) -> None:
    ran: Any = nowhere("openflow", *words)
    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err and len(ran.err.splitlines()) == 1
