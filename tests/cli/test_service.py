"""``segue service``, and what a server is told of the controllers of services."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml
from cli_session import Session, a_server
from test_openflow_tls import Authority

from segue.cli import service, service_options, service_words
from segue.cli.errors import Mistake
from segue.cli.logged import Lines
from segue.cli.main import parser
from segue.cli.terminal import complain
from segue.model.hooks import HOOKS
from segue.model.intent import Permissions
from segue.model.stages import SERVICE_TABLES
from segue.server.service_limits import ProjectLimits

NETWORK = """
nodes: {n1: 192.0.2.1}
networks: {web: 10.0.0.0/24}
ports:
  a: {network: web, node: n1, address: 10.0.0.10}
  b: {network: web, node: n1, address: 10.0.0.11}
"""
FLOWS: list[dict[str, Any]] = [
    {"priority": 9, "match": {"eth_type": 2048, "ipv4_src": "10.0.0.66"}, "cookie": 5, "hard_timeout": 600},
    {
        "priority": 1,
        "match": {"in_port": 1, "eth_type": 2048, "ip_proto": 6, "tcp_dst": 80},
        "instructions": [
            {
                "type": "OFPIT_APPLY_ACTIONS",
                "actions": [
                    {"type": "OFPAT_SET_FIELD", "field": {"ip_dscp": 10}},
                    {"type": "OFPAT_OUTPUT", "port": 2, "max_len": 0},
                    {"type": "OFPAT_OUTPUT", "port": "OFPP_NORMAL"},
                ],
            }
        ],
    },
]


@pytest.fixture
def ips(segue: Session, tmp_path: Path) -> Iterator[tuple[Session, Path]]:
    """A registered service and a file with its token."""
    assert segue("apply", "-", "--no-wait", stdin=NETWORK).status == 0
    made = segue(
        *("service", "create", "ips", "--hook", "ingress", "--attach", "port/a", "network/web"),
        *("--permit", "drop", "mark", "copy", "packet_in", "--flows", "50"),
    )
    assert made.status == 0, made.err
    assert made.out == (
        "service ips is registered at hook ingress, attached to port/a, network/web\n"
        "its token: segue service token ips\n"
    )
    ran = segue("service", "token", "ips", "--expires", "30d")
    assert ran.status == 0 and re.fullmatch(r"service-\d+-1\.[\w-]{43}\n", ran.out)
    assert re.fullmatch(r"token 1 of service ips holds until \d{4}-.*; it is not shown again\n", ran.err)
    file = tmp_path / "token"
    file.write_text(ran.out)
    yield segue, file


def test_a_service_from_the_first_command_to_the_last(ips: tuple[Session, Path]) -> None:
    segue, file = ips
    flows = file.with_name("flows.json")
    flows.write_text(json.dumps(FLOWS))
    own = ("--token-file", str(file))
    assert segue("service", "flows", "ips", *own).out == "no flows: packets go on as if the service were not there\n"
    ran = segue("service", "flows", "ips", "--put", str(flows), *own)
    assert (ran.status, ran.out) == (0, "table 0 of service ips holds 2 flows\n"), ran.err
    shown = segue("service", "flows", "ips", *own).out.splitlines()
    assert shown[0].split() == ["TABLE", "PRIORITY", "PACKETS", "BYTES", "AGE", "MATCH", "ACTIONS", "BESIDES"]
    assert re.search(r"0 +9 +0 +0 +\d+s +ip,ipv4_src=10.0.0.66 +drop +cookie=0x5,hard_timeout=600$", shown[1])
    assert "tcp,in_port=1,tcp_dst=80" in shown[2] and "set_field:10->ip_dscp,output:2,NORMAL" in shown[2]
    for form, read in (("json", json.loads), ("yaml", yaml.safe_load)):
        text = segue("service", "flows", "ips", "-o", form).out
        assert [one["priority"] for one in read(text)["flows"]] == [9, 1]
        assert segue("service", "flows", "ips", "--table", "0", "--put", "-", stdin=text).status == 0
    listed = segue("service", "list").out.splitlines()
    assert re.search(r"^ips +ingress +100 +port/a, network/web +2/50 +none +valid$", listed[1]), listed
    assert segue("service", "connect", "ips", "tcp:127.0.0.1:1", *own).out == "service ips calls tcp:127.0.0.1:1\n"
    until(lambda: "controller: connection refused" in segue("service", "list").out)
    told = segue("service", "show", "ips", *own).out
    assert re.search(r"datapath id +00005e", told) and re.search(r"may +drop, mark, copy, packet_in\n", told)
    assert re.search(r"trouble +controller: no OpenFlow connection could be made; the server's log", told)
    assert "controller: connection refused\n" in segue("service", "show", "ips").out
    assert re.search(r"\n +1 +port/a +02:", told)
    assert segue("service", "connect", "ips", "none").out == "service ips has no controller\n"
    assert segue("service", "attach", "ips", "port/b").out == "service ips is attached to port/b\n"
    assert segue("service", "attach", "ips").out == "service ips is attached to nothing\n"
    assert json.loads(segue("service", "show", "ips", "-o", "json").out)["ports"] == []
    ran = segue("service", "revoke", "ips")
    assert (ran.status, ran.out) == (1, "the token of service ips is revoked\n")
    assert "node n1 has no agent" in ran.err, "it was attached there, and nobody has said that it is not any more"
    assert segue("service", "flows", "ips", *own).status == 2
    assert "0/50" in segue("service", "list").out and "revoked" in segue("service", "list").out
    assert segue("service", "delete", "ips").out == "service ips is deleted\n"
    assert segue("service", "list").out == "no services; register one with `segue service create`\n"
    assert segue("service", "list", "-o", "json").out == "[]\n"


def test_who_revokes_or_deletes_hears_which_nodes_have_not_confirmed(ips: tuple[Session, Path]) -> None:
    segue, _ = ips
    why = (
        "segue: its flows may still be in force. These have not confirmed that they are gone:\n"
        "  node n1 has no agent connected\n"
    )
    ran = segue("service", "revoke", "ips")
    assert ran == (1, "the token of service ips is revoked\n", why)
    ran = segue("service", "delete", "ips")
    assert ran == (1, "service ips is deleted\n", why)
    assert segue("service", "create", "bare", "--hook", "ingress").status == 0
    ran = segue("service", "revoke", "bare")
    assert ran == (0, "the token of service bare is revoked, and its flows are removed\n", "")
    assert segue("service", "delete", "bare") == (0, "service bare is deleted\n", "")
    for name in ("first", "last"):
        assert segue("service", "create", name, "--hook", "ingress").status == 0
    ran = segue("service", "delete", "first", "typo", "last")
    assert (ran.status, ran.out) == (2, "service first is deleted\n") and "typo" in ran.err
    assert [one["name"] for one in json.loads(segue("service", "list", "-o", "json").out)] == ["last"]


HOSTILE = "tcp:\x1b[2J\nx\x9b\u202e:1"


def test_what_others_have_written_does_not_move_the_cursor(
    ips: tuple[Session, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    segue, _ = ips
    one = json.loads(segue("service", "show", "ips", "-o", "json").out)
    one |= {"refused": [HOSTILE], "failing": [f"node n1 {HOSTILE}"]}
    one["controller"] = {"target": HOSTILE, "address": HOSTILE, "connected": [], "trouble": HOSTILE, "name": ""}

    class Fake:
        def get(self, path: str) -> Any:
            return [one] if path == "/v1/services" else one

        def put(self, *_: Any) -> Any:
            return one

        def delete(self, *_: Any, **__: Any) -> Any:
            return {"waiting": [HOSTILE]}

    monkeypatch.setattr("segue.cli.service_run._client", lambda _: Fake())
    for words in (
        ("list",),
        ("show", "ips"),
        ("show", "ips", "-o", "json"),
        ("connect", "ips", "x"),
        ("revoke", "ips"),
    ):
        ran = segue("service", *words)
        text = ran.out + ran.err
        assert text and all(line.isprintable() for line in text.split("\n")), (words, text)
        assert "[2J" in text, words
        assert "node n1 " in text or words[0] not in ("list", "show"), "what is in `failing` is trouble"
        if words[-1] == "json":
            assert json.loads(ran.out) == one


def test_a_complaint_has_the_lines_that_it_is_given_and_nothing_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    complain("first\nsecond \x1b[2J")
    assert capsys.readouterr().err == "segue: first\nsecond \\x1b[2J\n"


def test_a_message_is_one_line_of_the_log() -> None:
    formatter = Lines("%(asctime)s %(name)s: %(message)s")
    record = logging.LogRecord("x", logging.INFO, "", 0, "%s: %s", ("a\n2026-11-20 forged", "\x1b[2J\x9b"), None)
    assert formatter.format(record).endswith(r" x: a\n2026-11-20 forged: \x1b[2J\x9b")
    try:
        raise ValueError
    except ValueError:
        record.exc_info = sys.exc_info()
    assert len(formatter.format(record).splitlines()) > 2, "tracebacks keep their lines"


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_token_is_good_for_the_service_alone(ips: tuple[Session, Path]) -> None:
    segue, file = ips
    for words in (("get", "nodes"), ("service", "list"), ("service", "delete", "ips"), ("service", "show", "x")):
        ran = segue(*words, "--token-file", str(file))
        assert ran.status == 2 and ran.err.startswith("segue: ") and "service" in ran.err, words
    assert segue("service", "show", "ips").status == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "x", "--hook", "nat"), "--hook"),
        (("create", "x"), "--hook"),
        (("create", "x", "--hook", "egress", "--attach", "port/nope"), "there is no port 'nope'"),
        (("create", "x", "--hook", "ingress", "--rewrite", "colour"), "colour"),
        (("create", "x", "--hook", "ingress", "--rewrite", "ip_dscp"), "the DSCP is permission mark; write mark: true"),
        (("create", "ips", "--hook", "ingress"), "take another name"),
        (("token", "nope"), "`segue service list` lists those there are"),
        (("token", "ips", "--expires", "soon"), "write 30d, 12h or 90m"),
        (("connect", "ips", "192.0.2.1"), "write tcp:HOST:PORT"),
        (("connect", "ips", "ssl:192.0.2.1"), "--services-certificate"),
        (("flows", "ips", "--put", "/nowhere"), "cannot read /nowhere: No such file"),
        (("flows", "ips", "--table", "16"), "'16' is no table of a service; write 0 to 15"),
        (("flows", "ips", "--table", "x"), "'x' is no table of a service; write 0 to 15"),
        (("flows", "ips", "--table", "15", "--put", "/dev/null"), "/dev/null has no list of flows"),
        (("lst",), "did you mean list?"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_write(ips: tuple[Session, Path], words: tuple[str, ...], said: str) -> None:
    ran = ips[0]("service", *words)
    assert ran.status == 2 and said in ran.err and ran.err.startswith("segue: "), ran
    assert ran.out == ""


@pytest.mark.parametrize("text", ["[", "5", '{"flows": 1}', "[1]", '[{"match": {"colour": 1}}]', "a: [b: &a"])
def test_a_file_that_holds_no_flows_is_refused(ips: tuple[Session, Path], text: str) -> None:
    ran = ips[0]("service", "flows", "ips", "--put", "-", stdin=text)
    assert ran.status == 2 and ran.err.startswith("segue: "), ran


def test_the_words_of_the_command_line_are_the_model_s() -> None:
    assert tuple(HOOKS) == service.HOOKS
    assert service.TABLES == SERVICE_TABLES
    assert (*service.PERMISSIONS, "rewrite") == Permissions.__struct_fields__
    for hook in HOOKS:
        assert re.search(rf"^  {hook} ", service.CREATE, re.MULTILINE)


def test_packets_are_said_in_words() -> None:
    tcp = bytes.fromhex("02000000000202000000000108004500002800010000400600000a00000a0a00000b04d20050")
    said = service_words.packet(
        {"match": {"in_port": 3}, "table_id": 2, "cookie": "0xdeadbeefdeadbeef", "total_len": 54, "data": tcp.hex()}
    )
    assert said == (
        "port 3, table 2, cookie 0xdeadbeefdeadbeef, 54 bytes: "
        "02:00:00:00:00:01 > 02:00:00:00:00:02 10.0.0.10:1234 > 10.0.0.11:80 tcp"
    )
    arp = "ffffffffffff02000000000181000005080600010800060400010200000000010a00000a0000000000000a00000b"
    assert service_words.frame(bytes.fromhex(arp)).endswith("vlan 5 arp 10.0.0.10 who has 10.0.0.11")
    for length in range(len(tcp)):
        assert service_words.frame(tcp[:length])


# -- a server's options ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "pki", ("server", "controller"))


def options(authority: Authority) -> list[str]:
    certificate, key = authority.files("server")
    return [
        *("--services-certificate", certificate, "--services-key", key),
        *("--services-authority", authority.ca, "--services-listen", "6700-6799"),
    ]


def test_options_reach_a_server_that_is_started_for_somebody(authority: Authority) -> None:
    given = options(authority)
    args = parser("server").parse_args(["server", *given])
    assert service_options.words(args) == given
    assert service_options.listening(args) == range(6700, 6800)
    assert service_options.certificates(args) is not None
    bare = parser("server").parse_args(["server"])
    assert service_options.words(bare) == [] and service_options.certificates(bare) is None
    assert len(service_options.listening(bare)) == 0


def test_what_projects_may_ask_for_reaches_a_server_that_is_started_for_somebody() -> None:
    given = [
        *(
            "--services-flows",
            "7",
            "--services-packet-ins",
            "0",
            "--services-copies",
            "9",
            "--services-per-project",
            "3",
        ),
        *("--services-permit", "drop,rewrite"),
    ]
    args = parser("server").parse_args(["server", *given])
    assert service_options.words(args) == given
    assert service_options.limits(args) == ProjectLimits(7, 0, 3, frozenset({"drop", "rewrite"}), 9)
    bare = parser("server").parse_args(["server"])
    assert service_options.limits(bare) == ProjectLimits() and service_options.words(bare) == []
    none = parser("server").parse_args(["server", "--services-permit", "none"])
    assert service_options.limits(none).permit == frozenset()
    assert service_options.words(none) == ["--services-permit", "none"]
    assert Permissions.__struct_fields__ == service_options.PERMISSIONS


def test_where_controllers_are_called_reaches_a_server_that_is_started_for_somebody() -> None:
    given = ["--services-networks", "10.1.0.0/16,2001:db8::/32"]
    args = parser("server").parse_args(["server", *given])
    assert service_options.words(args) == given
    assert service_options.reach(args).networks == (ip_network("10.1.0.0/16"), ip_network("2001:db8::/32"))
    none = parser("server").parse_args(["server", "--services-networks", "none"])
    assert service_options.words(none) == ["--services-networks", "none"]
    assert service_options.reach(none).networks == ()
    assert service_options.reach(parser("server").parse_args(["server"])).networks is None


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--services-networks=10.1.0.1/16", "has host bits set"),
        ("--services-networks=10.1.0.0/16,", "'' is no network"),
        ("--services-networks=any", "'any' is no network"),
        ("--services-flows=0", "is no number from 1"),
        ("--services-flows=many", "is no number from 1"),
        ("--services-packet-ins=-1", "is no number from 0"),
        ("--services-permit=drop,all", "'all' is no permission"),
    ],
)
def test_limits_that_are_none_are_refused(nowhere: Session, option: str, said: str) -> None:
    ran = nowhere("server", option)
    assert ran.status == 2 and said in ran.err


def test_certificates_that_are_of_no_use_are_told_at_once(authority: Authority) -> None:
    certificate, key, *_ = options(authority)[1::2]
    for words, said in (
        (["--services-certificate", certificate], "needs all of"),
        (
            ["--services-certificate", "/no", "--services-key", key, "--services-authority", authority.ca],
            "there is no file /no",
        ),
    ):
        with pytest.raises(Mistake, match=said):
            service_options.certificates(parser("server").parse_args(["server", *words]))


@pytest.mark.parametrize("text", ["0", "70000", "9-8", "a", "6700-", "-6700", "1-2-3"])
def test_ports_that_are_none_are_refused(nowhere: Session, text: str) -> None:
    ran = nowhere("server", f"--services-listen={text}")
    assert ran.status == 2 and "such as 6700-6799" in ran.err


def test_a_controller_is_called_by_tls_with_both_certificates(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = authority.files("controller")
    words = ["-cert", certificate, "-key", key, "-CAfile", authority.ca, "-Verify", "1", "-verify_return_error"]
    with a_server(tmp_path, *options(authority)) as url:
        segue = Session(url, monkeypatch)
        assert segue("service", "create", "s", "--hook", "ingress").status == 0
        assert segue("service", "token", "s").status == 0
        # a party of its own at the other end, which asks for the server's certificate
        serve = subprocess.Popen(
            ["openssl", "s_server", "-accept", "0", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            assert serve.stdout is not None
            port = next(found[1] for line in serve.stdout if (found := re.match(r"ACCEPT .*:(\d+)", line)))
            assert segue("service", "connect", "s", f"ssl:127.0.0.1:{port}").status == 0
            assert any("subject=CN = server" in line or "CN=server" in line for line in serve.stdout)
        finally:
            serve.kill()
            serve.wait()
            serve.stdout.close()
            assert serve.stdin is not None
            serve.stdin.close()
