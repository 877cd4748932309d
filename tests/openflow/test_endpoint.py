"""Targets as people write them."""

from pathlib import Path

import pytest

from segue.openflow.endpoint import Certificates, Endpoint, active, parse, passive


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        ("tcp:192.0.2.1:6633", Endpoint("tcp", "192.0.2.1", 6633)),
        ("tcp:192.0.2.1", Endpoint("tcp", "192.0.2.1", 6653)),
        ("tcp:controller.example:1", Endpoint("tcp", "controller.example", 1)),
        ("tcp:[2001:db8::1]", Endpoint("tcp", "2001:db8::1", 6653)),
        ("tcp:[2001:db8::1]:9", Endpoint("tcp", "2001:db8::1", 9)),
        ("ssl:192.0.2.1", Endpoint("tcp", "192.0.2.1", 6653, secure=True)),
        ("tls:[::1]:7", Endpoint("tcp", "::1", 7, secure=True)),
        ("unix:/var/run/openvswitch/br0.mgmt", Endpoint("unix", path="/var/run/openvswitch/br0.mgmt")),
        ("unix:relative:path", Endpoint("unix", path="relative:path")),
        ("ptcp:", Endpoint("tcp", "", 6653, passive=True)),
        ("ptcp", Endpoint("tcp", "", 6653, passive=True)),
        ("ptcp:6633", Endpoint("tcp", "", 6633, passive=True)),
        ("ptcp:0:127.0.0.1", Endpoint("tcp", "127.0.0.1", 0, passive=True)),
        ("ptcp:127.0.0.1:0", Endpoint("tcp", "127.0.0.1", 0, passive=True)),
        ("ptcp:127.0.0.1", Endpoint("tcp", "127.0.0.1", 6653, passive=True)),
        ("ptcp:6633:[::1]", Endpoint("tcp", "::1", 6633, passive=True)),
        ("ptcp:[::1]:6633", Endpoint("tcp", "::1", 6633, passive=True)),
        ("ptcp:[::1]", Endpoint("tcp", "::1", 6653, passive=True)),
        ("pssl:6640", Endpoint("tcp", "", 6640, secure=True, passive=True)),
        ("ptls:6640:localhost", Endpoint("tcp", "localhost", 6640, secure=True, passive=True)),
        ("punix:/tmp/x", Endpoint("unix", path="/tmp/x", passive=True)),
    ],
)
def test_what_is_meant(target: str, wanted: Endpoint) -> None:
    assert parse(target) == wanted
    assert parse(str(wanted)) == wanted


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("br0", "write tcp:HOST:PORT, ssl:HOST:PORT or unix:PATH"),
        ("", "write tcp:HOST:PORT"),
        ("udp:1.2.3.4:5", "write tcp:HOST:PORT"),
        ("tcp", "write tcp:HOST:PORT"),
        ("tcp:", "names no host: write tcp:HOST:PORT"),
        ("tcp::6653", "names no host"),
        ("tcp:host:", ""),
        ("tcp:host:port", "'port' is no port"),
        ("tcp:host:65536", "up to 65535"),
        ("tcp:host:-1", "no port"),
        ("tcp:host:٣", "no port"),
        ("tcp:2001:db8::1", "stands in brackets"),
        ("tcp:[2001:db8::1", "stands in brackets"),
        ("tcp:[::1]6653", "stands in brackets"),
        ("unix:", "write unix:PATH"),
        ("ptcp:6653", "to call, write tcp:HOST:PORT"),
        ("punix:/x", "to call, write unix:PATH"),
    ],
)
def test_what_is_no_target(target: str, text: str) -> None:
    if not text:
        assert active(target).port == 6653
        return
    with pytest.raises(ValueError, match=text):
        active(target)


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("tcp:1.2.3.4", "to wait for calls, write ptcp:PORT"),
        ("unix:/x", "to wait for calls, write punix:PATH"),
        ("6653", "write ptcp:PORT, pssl:PORT or punix:PATH"),
        ("punix:", "write punix:PATH"),
        ("ptcp:99999", "no port"),
        ("ptcp:a:b", "no port"),
        ("ptcp:::1", "brackets"),
    ],
)
def test_where_nobody_can_listen(target: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        passive(target)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("no key")
    with pytest.raises(ValueError, match=r"no file .*nothing"):
        Certificates(tmp_path / "key", tmp_path / "nothing", tmp_path / "key").context(server=True)
    with pytest.raises(ValueError, match="no certificate and its key"):
        Certificates(tmp_path / "key", tmp_path / "key", tmp_path / "key").context(server=False)
