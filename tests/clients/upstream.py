"""networking-sfc's own tests, unchanged, against a live server in place of the Neutron that they bring along.

It is run by the Python of ``.venv-clients``, where the tests' packages are without their dependencies:
``python upstream.py URL ADMIN_TOKEN TOKEN PROJECT`` prints a line of JSON for each test, ``{"test", "outcome",
"why"}``; ``TOKEN`` is a member's of ``PROJECT``. Outcomes are ``passed``, ``failed``, and ``apart`` for tests that no
HTTP server can be asked: they look into the process of a plugin.

The tests speak to the server by requests that a base class makes. Here that class makes HTTP requests; whatever else
they import of Neutron is hollow. What they count, list and compare is what they made: everything is deleted between
tests.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import json
import sys
import types
import unittest
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any, NamedTuple, TextIO
from unittest import mock

DB = ("networking_sfc.tests.unit.db.test_flowclassifier_db", "networking_sfc.tests.unit.db.test_sfc_db")
EXTENSIONS = tuple(
    f"networking_sfc.tests.unit.extensions.test_{name}" for name in ("flowclassifier", "sfc", "servicegraph", "tap")
)
HOLLOW = (
    "neutron",
    "neutron_lib",
    "webtest",
    "networking_sfc.db",
    "networking_sfc.extensions",
    "networking_sfc.tests.base",
)
SFC = ("flow_classifiers", "port_pairs", "port_pair_groups", "port_chains", "service_graphs")
IN_ORDER = (*(f"sfc/{name}" for name in reversed(SFC)), "routers", "ports", "subnets", "networks")
"""In which everything can be deleted."""
BESIDES = ("status", "status_reason")


# -- the server ------------------------------------------------------------------------------------------------------


class Response(NamedTuple):
    """As far as webob's is looked at."""

    status_int: int
    body: bytes

    @property
    def json(self) -> Any:
        """Without what Segue says of a chain besides: how it is differs from one moment to another, and the tests
        compare all that they were told of a chain before it was changed."""
        body = json.loads(self.body)
        for chain in [body.get("port_chain"), *body.get("port_chains", ())]:
            for name in BESIDES:
                (chain or {}).pop(name, None)
        return body


class Server:
    def __init__(self, url: str, admin: str, member: str, project: str) -> None:
        self._url, self._admin, self._member, self.project = url, admin, member, project

    def __call__(self, method: str, path: str, body: Any = None, query: str = "", admin: bool = False) -> Response:
        """``body``: text as it is, anything else as JSON. ``path``: below /v2.0."""
        data = body.encode() if isinstance(body, str) else None if body is None else json.dumps(body).encode()
        headers = {"X-Auth-Token": self._admin if admin else self._member, "Content-Type": "application/json"}
        address = f"{self._url}/v2.0/{urllib.parse.quote(path)}" + (f"?{query}" if query else "")
        request = urllib.request.Request(address, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return Response(answer.status, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Response(error.code, error.read())

    def make(self, singular: str, **values: Any) -> Any:
        """An object that a test needs, of the project; by an administrator, who may bind ports."""
        path = f"sfc/{singular}s" if f"{singular}s" in SFC else f"{singular}s"
        response = self("POST", path, {singular: {"project_id": self.project, **values}}, admin=True)
        assert response.status_int == 201, response
        return response.json

    def empty(self) -> None:
        self("DELETE", f"quotas/{self.project}", admin=True)
        for path in IN_ORDER:
            name = path.rpartition("/")[2]
            for found in self("GET", path, query="fields=id", admin=True).json[name]:
                response = self("DELETE", f"{path}/{found['id']}", admin=True)
                assert response.status_int == 204, response


server: Server


# -- what the database's tests are built on --------------------------------------------------------------------------


class Request(NamedTuple):
    method: str
    path: str
    body: Any
    query: str
    admin: bool

    def get_response(self, api: Any) -> Response:
        return server(*self)


class Database(unittest.TestCase):
    """In the place of Neutron's base class of tests: its methods by their names and meanings, over HTTP."""

    fmt = "json"
    api = ext_api = None
    maxDiff = None

    def setUp(self) -> None:
        self.addCleanup(server.empty)
        self._project_id = server.project
        self._network = server.make("network", name="net1")
        network = self._network["network"]["id"]
        self._subnet = server.make(
            "subnet", network_id=network, cidr="10.0.0.0/24", gateway_ip="10.0.0.1", ip_version=4
        )
        server.make("port", network_id=network, device_owner="network:router_interface")
        set_quota = mock.patch("oslo_config.cfg.CONF.set_override", _set_quota)
        set_quota.start()
        self.addCleanup(set_quota.stop)

    def _request(
        self, method: str, resource: str, data: Any = None, id: Any = None, params: str = "", as_admin: bool = False
    ) -> Request:
        path = f"sfc/{resource}" if resource in SFC else resource
        return Request(method, f"{path}/{id}.json" if id else f"{path}.json", data, params, as_admin)

    def new_create_request(self, resource: str, data: Any, fmt: Any = None, context: Any = None) -> Request:
        assert context is None
        return self._request("POST", resource, data)

    def new_list_request(self, resource: str, fmt: Any = None, params: str = "") -> Request:
        return self._request("GET", resource, params=params)

    def new_show_request(self, resource: str, id: str, fmt: Any = None) -> Request:
        return self._request("GET", resource, id=id)

    def new_update_request(self, resource: str, data: Any, id: str, fmt: Any = None) -> Request:
        return self._request("PUT", resource, data, id)

    def new_delete_request(self, resource: str, id: str, fmt: Any = None) -> Request:
        return self._request("DELETE", resource, id=id)

    def deserialize(self, fmt: str, response: Response) -> Any:
        return response.json

    def _delete(self, resource: str, id: str, expected_code: int = 204) -> None:
        self.assertEqual(expected_code, self.new_delete_request(resource, id).get_response(None).status_int)

    def _test_list_resources(self, resource: str, items: list[Any], query_params: str = "") -> None:
        found = self.new_list_request(f"{resource}s", params=query_params).get_response(None).json[f"{resource}s"]
        self.assertCountEqual([each["id"] for each in found], [each[resource]["id"] for each in items])

    @contextlib.contextmanager
    def port(self, fmt: Any = None, do_delete: bool = True, **values: Any) -> Iterator[Any]:
        yield server.make("port", network_id=self._network["network"]["id"], **values)


def _set_quota(name: str, value: int, group: str) -> None:
    assert group == "QUOTAS"
    body = {"quota": {name.removeprefix("quota_"): value}}
    response = server("PUT", f"quotas/{server.project}", body, admin=True)
    assert response.status_int == 200, response


# -- what the extensions' tests are built on -------------------------------------------------------------------------


class AppError(Exception):
    """Of webtest: an answer that is none of success."""


class Apart(Exception):
    """The test looks into its own process: at what a plugin was called with, or at a function."""


class Plugin:
    @property
    def return_value(self) -> Any:
        raise Apart


class Api:
    """webtest's. An update is tried on an object that is there: what is refused is the update, and not its address."""

    def post(self, path: str, body: str, content_type: str = "") -> Response:
        return self._refused(server("POST", path, body, admin=True))

    def put(self, path: str, body: str, content_type: str = "") -> Response:
        collection, _, _ = path.rpartition("/")
        singular = collection.rpartition("/")[2].removesuffix("s")
        made = {"port_pair": _pair, "port_pair_group": _group, "port_chain": _chain, "service_graph": _graph}
        id = made.get(singular, _classifier)()
        return self._refused(server("PUT", f"{collection}/{id}.json", body, admin=True))

    def _refused(self, response: Response) -> Response:
        assert response.status_int < 400 or response.status_int == 400, response
        if response.status_int == 400:
            raise AppError(response)
        return response


class Extension(unittest.TestCase):
    fmt = "json"
    api = Api()
    plugin = Plugin()
    serialize = staticmethod(json.dumps)

    def setUp(self) -> None:
        self.addCleanup(server.empty)

    def deserialize(self, response: Response) -> Any:
        return response.json

    def _test_entity_delete(self, entity: str) -> None:
        raise Apart


def _port() -> str:
    network = server.make("network")["network"]["id"]
    found: str = server.make("port", network_id=network, device_id="device")["port"]["id"]
    return found


def _classifier() -> str:
    return server.make("flow_classifier", logical_source_port=_port())["flow_classifier"]["id"]


def _pair() -> str:
    port = _port()
    return server.make("port_pair", ingress=port, egress=port)["port_pair"]["id"]


def _group() -> str:
    return server.make("port_pair_group")["port_pair_group"]["id"]


def _chain() -> str:
    return server.make("port_chain", port_pair_groups=[_group()])["port_chain"]["id"]


def _graph() -> str:
    return server.make("service_graph", port_chains={_chain(): [_chain()]})["service_graph"]["id"]


# -- what they import ------------------------------------------------------------------------------------------------


class Hollow(types.ModuleType):
    """A module in which every name means something, and nothing in particular."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        whole = f"{self.__name__}.{name}"
        if any(filled == whole or filled.startswith(f"{whole}.") for filled in FILLED):
            return importlib.import_module(whole)
        return mock.MagicMock(name=whole)


def _path(path: str, id: str | None = None, action: str | None = None, fmt: str | None = None) -> str:
    whole = "/".join(part for part in (path, id, action) if part)
    return f"{whole}.{fmt}" if fmt else whole


def _apart(*_: Any) -> None:
    raise Apart


FILLED: dict[str, dict[str, Any]] = {
    "neutron.extensions": {"__path__": ["neutron"]},
    "neutron.tests.unit.api.v2.test_base": {"_get_path": _path},
    "neutron.tests.unit.extensions.base": {"ExtensionTestCase": Extension},
    "neutron_lib.constants": {"IPv4": "IPv4"} | {f"PROTO_NAME_{name.upper()}": name for name in ("tcp", "udp", "icmp")},
    "webtest": {"app": types.SimpleNamespace(AppError=AppError)},
    "networking_sfc.tests.base": {"BaseTestCase": unittest.TestCase, "NeutronDbPluginV2TestCase": Database},
    "networking_sfc.extensions": {"__path__": ["networking_sfc"]},
    "networking_sfc.extensions.sfc": {
        "SFC_PREFIX": "/sfc",
        "SFC_EXT": "sfc",
        "RESOURCE_ATTRIBUTE_MAP": {},
        "validate_list_of_allowed_values": _apart,
    },
    "networking_sfc.extensions.flowclassifier": {
        "FLOW_CLASSIFIER_PREFIX": "/sfc",
        "FLOW_CLASSIFIER_EXT": "flow_classifier",
        "RESOURCE_ATTRIBUTE_MAP": {},
    },
    "networking_sfc.extensions.servicegraph": {
        "SG_PREFIX": "/sfc",
        "SG_EXT": "service_graph",
        "RESOURCE_ATTRIBUTE_MAP": {},
    },
}


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if not any(name == hollow or name.startswith(f"{hollow}.") for hollow in HOLLOW):
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return Hollow(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        module.__dict__.update(FILLED.get(module.__name__, {}))


# -- running them ----------------------------------------------------------------------------------------------------


def replayed(case: type[unittest.TestCase]) -> type[unittest.TestCase]:
    """The class of tests without its own preparations, which start a server in the process."""
    base = Database if issubclass(case, Database) else Extension
    return type(case.__name__, (case,), {"setUp": base.setUp, "tearDown": unittest.TestCase.tearDown})


def cases() -> Iterator[unittest.TestCase]:
    """Every test once: a class of tests that extends another one inherits those, too."""
    for name in (*DB, *EXTENSIONS):
        module = importlib.import_module(name)
        for case in vars(module).values():
            if isinstance(case, type) and issubclass(case, unittest.TestCase) and case.__module__ == name:
                for test in sorted(name for name in vars(case) if name.startswith("test_")):
                    yield replayed(case)(test)


class Lines(unittest.TestResult):
    def __init__(self, answers: TextIO) -> None:
        super().__init__()
        self._answers = answers

    def _tell(self, test: unittest.TestCase, outcome: str, why: str = "") -> None:
        whole = f"{type(test).__name__}.{getattr(test, '_testMethodName', test.id())}"
        print(json.dumps({"test": whole, "outcome": outcome, "why": why}), file=self._answers, flush=True)

    def addSuccess(self, test: unittest.TestCase) -> None:
        self._tell(test, "passed")

    def addFailure(self, test: unittest.TestCase, error: Any) -> None:
        self._tell(test, "failed", self._exc_info_to_string(error, test))

    def addError(self, test: unittest.TestCase, error: Any) -> None:
        if error[0] is Apart:
            self._tell(test, "apart", Apart.__doc__ or "")
        else:
            self.addFailure(test, error)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self._tell(test, "skipped", reason)


def main() -> None:
    global server
    url, admin, member, project = sys.argv[1:]
    server = Server(url, admin, member, project)
    sys.meta_path.insert(0, Finder())
    for case in cases():
        case.run(Lines(sys.stdout))


if __name__ == "__main__":
    main()
