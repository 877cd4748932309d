"""What only HTTP has: paths, methods, queries, pages, bodies and how they come; every answer is Neutron's."""

from __future__ import annotations

import contextlib
import gc
import json
import socket
import types
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from api_server import Running
from neutron_asgi import Front, Said, at, run

from segue.api.neutron_extensions import EXTENSIONS
from segue.neutron.attributes import KINDS
from segue.neutron.core_kinds import CORE_KINDS
from segue.neutron.quota import DEFAULTS
from segue.neutron.sfc_kinds import SFC_KINDS

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "get", "STRANGE")
NOBODY = "00000000-0000-4000-8000-000000000000"
ROUTES = {
    "/v2.0": ("GET",),
    "/v2.0/": ("GET",),
    "/v2.0/extensions": ("GET",),
    "/v2.0/extensions/sfc": ("GET",),
    "/v2.0/quotas": ("GET",),
    "/v2.0/quotas/red": ("GET", "PUT", "DELETE"),
    "/v2.0/quotas/red/default": ("GET",),
    "/v2.0/quotas/red/details": ("GET",),
    "/v2.0/quotas/tenant": ("GET",),
    f"/v2.0/routers/{NOBODY}/add_router_interface": ("PUT",),
    f"/v2.0/routers/{NOBODY}/remove_router_interface": ("PUT",),
    **{at(kind, f"{NOBODY}/tags"): ("GET", "PUT", "POST", "DELETE") for kind in CORE_KINDS},
    **{at(kind, f"{NOBODY}/tags/x"): ("GET", "PUT", "DELETE") for kind in CORE_KINDS},
    **{at(kind): ("GET", "POST") for kind in KINDS},
    **{at(kind, NOBODY): ("GET", "PUT", "DELETE") for kind in KINDS},
}
ABSENT = (
    *(
        "/v2.0/x",
        "/v2.0/Networks",
        "/v2.0/network",
        "/v2.0/sfc",
        "/v2.0/sfc/x",
        "/v2.0/sfc/networks",
        "/v2.0/port_pairs",
    ),
    *(
        "/v2.0/networks/a/b",
        "/v2.0/sfc/port_pairs/a/b",
        "/v2.0/extensions/x",
        "/v2.0/extensions/sfc/x",
        "/v2.0/networks%2Fa",
    ),
    *("/v2.0/quotas/red/x", "/v2.0/quotas/red/default/x", "/v2.0/routers/a/x", "/v2.0/networks/a/add_router_interface"),
    *("/v2.0/networks.xml", "/v2.0/../networks", "/v2.0/networks;v=1", "/v2.0/json", "/v2.0/networks.json.json"),
)


def error(said: Said, status: int, type: str) -> str:
    """The message of an error that is of this kind."""
    assert said.status == status, said
    body = said.body
    assert body.keys() == {"NeutronError"}
    assert body["NeutronError"].keys() == {"type", "message", "detail"}
    assert (body["NeutronError"]["type"], body["NeutronError"]["detail"]) == (type, "")
    assert said.headers["content-type"] == "application/json"
    return str(body["NeutronError"]["message"])


# -- paths and methods -----------------------------------------------------------------------------------------------


def test_each_path_has_its_methods_and_says_which(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        for path, allowed in ROUTES.items():
            for method in METHODS:
                said = await front.ask(method, path, b"{}" if method in ("POST", "PUT") else None)
                there = ("GET", "HEAD", *allowed[1:]) if "GET" in allowed else allowed
                if method in there:
                    assert said.status in (200, 204, 400, 404), (method, path, said)
                    assert method != "HEAD" or said.data == b""
                else:
                    assert said.status == 405 and tuple(said.headers["allow"].split(", ")) == there
                    assert method == "HEAD" or method in error(said, 405, "HTTPMethodNotAllowed")

    run(tmp_path, scenario)


def test_what_is_not_there_is_not_found_by_any_method(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        for path in ABSENT:
            for method in METHODS:
                said = await front.ask(method, path)
                if method == "HEAD":
                    assert (said.status, said.data) == (404, b"")
                else:
                    error(said, 404, "HTTPNotFound")
        assert _tracebacks() == 0

    def _tracebacks() -> int:
        """What holds a request for good: an exception that is raised again and again keeps all its tracebacks."""
        gc.collect()
        return sum(isinstance(each, types.TracebackType) for each in gc.get_objects())

    run(tmp_path, scenario)


def test_a_path_may_end_in_json_or_a_slash_and_be_encoded(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        id = (await front.make("network", name="a/b"))["id"]
        for path in ("/v2.0.json", "/v2.0//", "/%76%32.0"):
            assert (await front.ask("GET", path)).body.keys() == {"resources"}, path
        for path in (
            "/v2.0/networks.json",
            "/v2.0/networks/",
            "//v2.0//networks//",
            "/v2.0/%6eetworks",
            "/v2.0/networks/.json",
        ):
            assert (await front.ask("GET", path)).body.keys() == {"networks"}, path
        for path in (f"/v2.0/networks/{id}.json", f"/v2.0/networks/{id}/", f"/v2.0/networks/%{ord(id[0]):x}{id[1:]}"):
            assert (await front.ask("GET", path)).body["network"]["id"] == id, path
        assert (await front.ask("POST", "/v2.0/networks.json", {"network": {}})).status == 201
        assert (await front.ask("PUT", f"/v2.0/networks/{id}.json", {"network": {"name": "c"}})).status == 200
        assert (await front.ask("GET", "/v2.0/quotas/red.json")).body.keys() == {"quota"}
        assert (await front.ask("GET", "/v2.0/quotas/red/details.json")).body["quota"]["port"]["used"] == 0
        assert (await front.ask("GET", "/v2.0/extensions/sfc.json")).body["extension"]["alias"] == "sfc"
        assert (await front.ask("DELETE", f"/v2.0/networks/{id}.json")).status == 204

    run(tmp_path, scenario)


@pytest.mark.parametrize(
    "id", ["%00", "%ff%fe", "%2e%2e", "%252e", "%C3%A9", "%ED%A0%80", "%0d%0aX: y", "x" * 5000, "%"]
)
def test_a_strange_id_finds_nothing_and_is_told_in_few_words(tmp_path: Path, id: str) -> None:
    async def scenario(front: Front) -> None:
        for kind, found in (("network", "NetworkNotFound"), ("port_pair", "PortPairNotFound")):
            for method in ("GET", "PUT", "DELETE"):
                said = await front.ask(method, at(kind, id), {kind: {}} if method == "PUT" else None)
                assert len(error(said, 404, found)) < 200

    run(tmp_path, scenario)


def test_a_name_is_no_id(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        made = await front.make("network", name="web")
        error(await front.ask("GET", "/v2.0/networks/web"), 404, "NetworkNotFound")
        assert [one["id"] for one in (await front.ask("GET", "/v2.0/networks?name=web")).body["networks"]] == [
            made["id"]
        ]

    run(tmp_path, scenario)


# -- discovery, extensions, quotas -----------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["api.example", "192.0.2.7:9696", "[2001:db8::1]:80"])
def test_discovery_says_addresses_that_the_client_can_use(tmp_path: Path, host: str) -> None:
    async def scenario(front: Front) -> None:
        (version,) = (await front.ask("GET", "/", headers={"host": host})).body["versions"]
        assert (version["id"], version["status"]) == ("v2.0", "CURRENT")
        assert version["links"] == [{"rel": "self", "href": f"http://{host}/v2.0/"}]
        listed = (await front.ask("GET", "/v2.0/", headers={"host": host})).body["resources"]
        assert {one["name"]: one["links"][0]["href"] for one in listed} == {
            kind: f"http://{host}{at(kind)}" for kind in KINDS
        }
        assert {one["collection"] for one in listed} == {kind.plural for kind in KINDS.values()}
        (link, _) = (await front.ask("GET", "/v2.0/networks?limit=1", headers={"host": host})).body["networks_links"]
        assert link["href"].startswith(f"http://{host}/v2.0/networks?limit=1&marker=")

    run(tmp_path, scenario)


def test_extensions_are_listed_and_shown(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        listed = (await front.ask("GET", "/v2.0/extensions")).body["extensions"]
        assert {"sfc", "flow_classifier", "service_graph", "networking-sfc-tap"} <= {one["alias"] for one in listed}
        for one in listed:
            assert one.keys() == {"alias", "name", "description", "updated", "links"}
            assert (await front.ask("GET", f"/v2.0/extensions/{one['alias']}")).body == {"extension": one}
        error(await front.ask("GET", "/v2.0/extensions/security-group"), 404, "HTTPNotFound")
        assert len(listed) == len(EXTENSIONS)

    run(tmp_path, scenario)


def test_quotas_are_set_hold_and_go(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        path = "/v2.0/quotas/red"
        assert (await front.ask("GET", path)).body == {"quota": DEFAULTS}
        assert (await front.ask("GET", "/v2.0/quotas")).body == {"quotas": []}
        error(await front.ask("DELETE", path), 404, "ProjectQuotaNotFound")
        said = await front.ask("PUT", path, {"quota": {"network": "1", "port": -1}})
        changed = {**DEFAULTS, "network": 1, "port": -1}
        assert (said.status, said.body) == (200, {"quota": changed})
        await front.make("network", "red")
        message = error(await front.ask("POST", "/v2.0/networks", {"network": {}}, "red"), 409, "OverQuota")
        assert message == "Quota exceeded for resources: ['network']."
        usage = (await front.ask("GET", f"{path}/details", token="red")).body["quota"]["network"]
        assert usage == {"limit": 1, "used": 1, "reserved": 0}
        assert (await front.ask("GET", f"{path}/default")).body == {"quota": DEFAULTS}
        assert (await front.ask("GET", "/v2.0/quotas")).body["quotas"] == [
            {**changed, "project_id": "red", "tenant_id": "red"}
        ]
        for body in (
            {"quota": {"x": 1}},
            {"quota": {"network": "x"}},
            {"quota": {"network": -2}},
            {"quota": []},
            {},
            [],
        ):
            error(await front.ask("PUT", path, body), 400, "HTTPBadRequest")
        error(await front.ask("PUT", f"/v2.0/quotas/{'x' * 256}", {"quota": {}}), 404, "HTTPNotFound")
        said = await front.ask("DELETE", path)
        assert (said.status, said.data) == (204, b"")
        assert (await front.ask("GET", path)).body == {"quota": DEFAULTS}

    run(tmp_path, scenario)


def test_only_an_administrator_changes_quotas_or_sees_others(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        assert (await front.ask("GET", "/v2.0/quotas/red", token="red")).status == 200
        assert (await front.ask("GET", "/v2.0/quotas/tenant", token="red")).body["tenant"]["tenant_id"] == "red"
        for method, path in (
            ("GET", "blue"),
            ("PUT", "red"),
            ("DELETE", "red"),
            ("PUT", "blue"),
            ("GET", "blue/details"),
        ):
            said = await front.ask(method, f"/v2.0/quotas/{path}", {"quota": {"port": 1}}, "red")
            error(said, 403, "PolicyNotAuthorized")

    run(tmp_path, scenario)


# -- lists -----------------------------------------------------------------------------------------------------------


async def _pages(front: Front, url: str, plural: str, rel: str) -> list[list[str]]:
    """The ids of each page that is found by following ``rel``."""
    pages = []
    while url:
        parts = urlsplit(url)
        body = (await front.ask("GET", f"{parts.path}?{parts.query}")).body
        page = [one["id"] for one in body[plural]]
        assert len(page) <= 7
        if page:
            pages.append(page)
        url = next((link["href"] for link in body[f"{plural}_links"] if link["rel"] == rel), "")
    return pages


@pytest.mark.parametrize("more", ["", "&fields=id", "&name=even&name=odd", "&sort_key=name&sort_dir=desc"])
def test_a_thousand_objects_are_read_in_pages_of_seven_forth_and_back(tmp_path: Path, more: str) -> None:
    async def scenario(front: Front) -> None:
        await front.ask("PUT", "/v2.0/quotas/admin", {"quota": {"network": -1}})
        several = {"networks": [{"name": ("even", "odd")[number % 2]} for number in range(1000)]}
        made = (await front.ask("POST", "/v2.0/networks", several)).body["networks"]
        names = {one["id"]: one["name"] for one in made}
        start = f"/v2.0/networks?limit=7&project_id=admin{more}"
        forth = await _pages(front, start, "networks", "next")
        back = await _pages(front, f"{start}&page_reverse=True", "networks", "previous")
        ids = [id for page in forth for id in page]
        assert len(forth) == len(back) == 143
        assert ids == [id for page in reversed(back) for id in page]
        assert ids == (sorted(names, key=lambda id: (names[id] == "even", id)) if "sort" in more else sorted(names))

    run(tmp_path, scenario)


def test_fields_limit_what_is_shown_everywhere(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        ids = await front.furnish("red")
        for kind in KINDS.values():
            (one, *_) = (await front.ask("GET", f"{at(kind)}?fields=id&fields=name", token="red")).body[kind.plural]
            assert one.keys() == {"id", "name"}
            shown = (await front.ask("GET", f"{at(kind, ids[kind.name][0])}?fields=name&fields=x&fields=")).body
            assert shown[kind.name].keys() == {"name"}
            whole = (await front.ask("GET", at(kind, ids[kind.name][0]))).body[kind.name]
            assert (await front.ask("GET", f"{at(kind, whole['id'])}?fields=")).body[kind.name] == whole
            listed = (await front.ask("GET", f"{at(kind)}?id={whole['id']}", token="red")).body[kind.plural]
            assert listed == [whole]

    run(tmp_path, scenario)


def test_filters_narrow_a_list_repeated_ones_widen_it_and_unknown_ones_do_nothing(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        ids = await front.furnish("red")
        await front.furnish("blue")

        async def found(query: str, token: str = "red") -> int:
            return len(
                (await front.ask("GET", f"/v2.0/sfc/flow_classifiers?{query}", token=token)).body["flow_classifiers"]
            )

        assert await found("") == 2
        assert await found("", "admin") == 4
        assert await found("project_id=blue", "admin") == 2
        assert await found("project_id=blue") == 0
        first, second = ids["flow_classifier"]
        assert await found(f"id={first}") == 1
        assert await found(f"id={first}&id={second}&id={NOBODY}") == 2
        assert await found(f"id={first}&destination_port_range_min=1") == 0
        assert await found("destination_port_range_min=1&protocol=UDP") == 1
        assert await found("x=y&l7_parameters=z") == 2
        assert await found("name=") == 2
        assert await found("name=%20") == 0
        for query, type in (
            ("protocol=", "FlowClassifierInvalidProtocol"),
            ("protocol=17", "FlowClassifierInvalidProtocol"),
            ("ethertype=x", "FlowClassifierInvalidEthertype"),
            ("source_port_range_min=x", "FlowClassifierInvalidPortValue"),
            ("sort_key=name", "HTTPBadRequest"),
            ("limit=x", "BadRequest"),
            ("limit=-1", "BadRequest"),
            ("page_reverse=perhaps", "InvalidInput"),
        ):
            error(await front.ask("GET", f"/v2.0/sfc/flow_classifiers?{query}", token="red"), 400, type)
        said = await front.ask("GET", f"/v2.0/sfc/flow_classifiers?limit=1&marker={NOBODY}", token="red")
        error(said, 404, "FlowClassifierNotFound")

    run(tmp_path, scenario)


def test_a_query_may_be_long_and_strange_but_has_a_bound(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        filters = "&".join(f"id={uuid.UUID(int=number)}" for number in range(1000))
        assert (await front.ask("GET", f"/v2.0/networks?{filters}")).body == {"networks": []}
        error(await front.ask("GET", f"/v2.0/networks?{filters}&id=x"), 400, "HTTPBadRequest")
        for query in ("%", "%zz", "&&=&", "=x", "a;b", "%00=%00", "fields=%ff", "name=%ed%a0%80", "?", "a=b=c"):
            assert (await front.ask("GET", f"/v2.0/ports?{query}")).status == 200, query

    run(tmp_path, scenario)


# -- bodies ----------------------------------------------------------------------------------------------------------


def test_several_core_objects_are_made_at_once_or_none(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        network = (await front.make("network"))["id"]
        several: dict[str, list[dict[str, Any]]] = {
            "network": [{"name": "a"}, {"name": "b"}],
            "subnet": [{"network_id": network, "ip_version": 4, "cidr": f"10.{each}.0.0/24"} for each in (0, 1)],
            "port": [{"network_id": network, "name": each} for each in "ab"],
            "router": [{"name": "a"}, {"name": "b"}],
        }
        assert several.keys() == {kind.name for kind in CORE_KINDS}
        for kind, objects in several.items():
            plural = KINDS[kind].plural
            said = await front.ask("POST", at(kind), {plural: objects})
            assert said.status == 201
            assert [one.get("name") or one.get("cidr") for one in said.body[plural]] == [
                one.get("name") or one["cidr"] for one in objects
            ]
            before = front.snapshot()
            for wrong in ({"x": 1}, 3, None, {"network_id": NOBODY}):
                assert (await front.ask("POST", at(kind), {plural: [objects[0] | {"name": "c"}, wrong]})).status >= 400
            for empty in ([], {}, None, "x"):
                error(await front.ask("POST", at(kind), {plural: empty}), 400, "HTTPBadRequest")
            assert front.snapshot() == before
        for sfc in SFC_KINDS:
            said = await front.ask("POST", at(sfc), {sfc.plural: [{}]})
            assert error(said, 400, "HTTPBadRequest") == "Bulk operation not supported"

    run(tmp_path, scenario)


def test_what_is_no_body_is_refused_with_the_reason(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        id = (await front.make("network"))["id"]
        before = front.snapshot()
        for method, path in (("POST", "/v2.0/networks"), ("PUT", f"/v2.0/networks/{id}"), ("PUT", "/v2.0/quotas/x")):
            for nothing in (b"", b" \n"):
                assert error(await front.ask(method, path, nothing), 400, "HTTPBadRequest") == "Resource body required"
            for broken in (
                b"{",
                b'{"network": {}}{}',
                b"x",
                b"\xff",
                b"NaN",
                b'{"network": {"name": "\\ud800"}}',
                b"[" * 60,
            ):
                error(await front.ask(method, path, broken), 400, "MalformedRequestBody")
            error(await front.ask(method, path, b"[" * 65), 400, "MalformedRequestBody")
            error(await front.ask(method, path, b" " * (1 << 20) + b"{}"), 413, "HTTPRequestEntityTooLarge")
        message = error(await front.ask("POST", "/v2.0/networks", {"network": {"x": 1}}), 400, "HTTPBadRequest")
        assert message == "Unrecognized attribute(s) 'x'"
        message = error(await front.ask("POST", "/v2.0/networks", {"port": {}}), 400, "HTTPBadRequest")
        assert message == "Unable to find 'network' in request body"
        message = error(await front.ask("POST", "/v2.0/sfc/port_pairs", {"port_pair": {}}), 400, "HTTPBadRequest")
        assert message == "Failed to parse request. Required attribute 'ingress' not specified"
        assert front.snapshot() == before

    run(tmp_path, scenario)


@pytest.mark.parametrize("kind", ["", "text/plain", "application/xml; charset=x", "application/x-www-form-urlencoded"])
def test_the_content_type_does_not_matter(tmp_path: Path, kind: str) -> None:
    async def scenario(front: Front) -> None:
        said = await front.ask("POST", "/v2.0/networks", {"network": {"name": "é"}}, headers={"content-type": kind})
        assert (said.status, said.body["network"]["name"]) == (201, "é")

    run(tmp_path, scenario)


# -- over a socket ---------------------------------------------------------------------------------------------------


class Wire:
    """One connection, octet by octet."""

    def __init__(self, server: Running) -> None:
        self.socket = socket.create_connection(server.address, timeout=10)
        self.file = self.socket.makefile("rb")

    def send(self, text: str) -> None:
        self.socket.sendall(text.replace("\n", "\r\n").encode("latin-1"))

    def answer(self, *, head: bool = False) -> tuple[int, dict[str, str], bytes]:
        words = self.file.readline().split()
        headers = {}
        while line := self.file.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        length = 0 if head else int(headers.get("content-length", "0"))
        return int(words[1]), headers, self.file.read(length)

    def ended(self) -> bool:
        """Raises TimeoutError where nothing ends it. What was said of it may still come."""
        self.file.read()
        return True


@contextlib.contextmanager
def wire(server: Running) -> Iterator[Wire]:
    made = Wire(server)
    with made.socket, made.file:
        yield made


def test_requests_in_a_row_are_answered_in_a_row(opened: Running) -> None:
    def post(name: str) -> str:
        body = json.dumps({"network": {"name": name}})
        return f"POST /v2.0/networks HTTP/1.1\nHost: x\nContent-Length: {len(body)}\n\n{body}"

    with wire(opened) as there:
        there.send("".join((post("first"), "GET /v2.0/x HTTP/1.1\nHost: x\n\n", post("second"))))
        assert json.loads(there.answer()[2])["network"]["name"] == "first"
        assert there.answer()[0] == 404
        second = json.loads(there.answer()[2])["network"]
        assert second["name"] == "second"
        there.send(f"DELETE /v2.0/networks/{second['id']} HTTP/1.1\nHost: x\n\n" * 2)
        status, headers, _ = there.answer()
        assert (status, headers.keys() & {"content-length", "content-type", "transfer-encoding"}) == (204, set())
        assert there.answer()[0] == 404


def test_head_has_no_body_and_does_not_confuse_what_follows(opened: Running) -> None:
    with wire(opened) as there:
        there.send("HEAD /v2.0/networks HTTP/1.1\nHost: x\n\nPOST / HTTP/1.1\nHost: x\n\nGET / HTTP/1.1\nHost: x\n\n")
        status, headers, _ = there.answer(head=True)
        assert (status, headers["content-type"]) == (200, "application/json")
        status, headers, _ = there.answer()
        assert (status, headers["allow"]) == (405, "GET, HEAD")
        assert there.answer()[0] == 200


def test_head_says_of_everything_what_get_does(tmp_path: Path) -> None:
    """RFC 9110 section 9.3.2."""

    async def scenario(front: Front) -> None:
        ids = await front.furnish("red")
        paths = ["/", "/v2.0", "/v2.0/extensions", "/v2.0/extensions/sfc", "/v2.0/openapi.json", "/v2.0/quotas/red"]
        paths += [at(kind) for kind in KINDS] + [at(kind, ids[kind][0]) for kind in KINDS]
        paths += [at("port", f"{ids['port'][0]}/tags"), at("port_chain", NOBODY), at("network") + "?limit=x"]
        for path in paths:
            got, head = await front.ask("GET", path, token="red"), await front.ask("HEAD", path, token="red")
            assert got.data and (head.status, head.headers, head.data) == (got.status, got.headers, b""), path

    run(tmp_path, scenario)


def test_a_body_where_none_belongs_is_read_and_ignored(opened: Running) -> None:
    with wire(opened) as there:
        for _ in range(2):
            there.send("GET /v2.0/extensions/sfc HTTP/1.1\nHost: x\nContent-Length: 9\n\nGET / HTT")
            assert there.answer()[0] == 200


def test_a_body_may_come_in_chunks(opened: Running) -> None:
    with wire(opened) as there:
        head = "POST /v2.0/networks HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n"
        there.send(head + '5\n{"net\ne\nwork":{"name":\n6\n"ab"}}\n0\n\n')
        status, _, body = there.answer()
        assert (status, json.loads(body)["network"]["name"]) == (201, "ab")


def test_a_length_that_is_too_short_cuts_the_body(opened: Running) -> None:
    with wire(opened) as there:
        there.send('POST /v2.0/networks HTTP/1.1\nHost: x\nContent-Length: 8\n\n{"network":{"name":"cut"}}\n\n')
        status, _, body = there.answer()
        assert (status, json.loads(body)["NeutronError"]["type"]) == (400, "MalformedRequestBody")
        assert there.answer()[0] == 400
        assert there.ended()
    assert opened.ask("/v2.0/networks?name=cut").body == {"networks": []}


def test_a_length_that_is_too_long_makes_nothing(opened: Running) -> None:
    with wire(opened) as there:
        there.send('POST /v2.0/networks HTTP/1.1\nHost: x\nContent-Length: 99\n\n{"network":{"name":"long"}}')
        there.socket.shutdown(socket.SHUT_WR)
        assert there.ended()
    assert opened.ask("/v2.0/networks?name=long").body == {"networks": []}


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: -1",
        "Content-Length: x",
        "Content-Length: 5\nContent-Length: 6",
        "Transfer-Encoding: gzip",
        "No colon",
    ],
)
def test_a_head_that_is_no_head_is_refused(opened: Running, head: str) -> None:
    with wire(opened) as there:
        there.send(f"POST /v2.0/networks HTTP/1.1\nHost: x\n{head}\n\n{{}}")
        assert there.answer()[0] in (400, 501)
        assert there.ended()


def test_an_old_client_without_a_host_gets_the_servers_address(opened: Running) -> None:
    with wire(opened) as there:
        there.send("GET / HTTP/1.0\n\n")
        status, _, body = there.answer()
    href = json.loads(body)["versions"][0]["links"][0]["href"]
    assert (status, href) == (200, f"{opened.url}/v2.0/")


def test_a_request_that_is_too_long_for_a_line_is_refused(opened: Running) -> None:
    with wire(opened) as there:
        there.send(f"GET /v2.0/networks?{'x' * 200_000} HTTP/1.1\nHost: x\n\n")
        assert there.answer()[0] in (400, 414)
