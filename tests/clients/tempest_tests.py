"""The tempest plugin's tests of the networking-sfc API, unchanged, against a live server.

It is run by the Python of ``.venv-clients``: ``python tempest_tests.py URL ADMIN_TOKEN TOKEN DIRECTORY`` prints a line
of JSON for each test, as ``upstream.py`` does. What tempest would ask Keystone for is said here: the tokens, and where
the network service is.
"""

from __future__ import annotations

import importlib
import sys
import types
import unittest
from typing import Any
from unittest import mock

from tempest import config, test
from tempest.lib import auth
from upstream import Lines

MODULES = tuple(f"neutron_tempest_plugin.sfc.tests.api.test_{name}_extensions" for name in ("flowclassifier", "sfc"))
FAR = "2999-01-01T00:00:00.000000Z"


class Users:
    """In the place of a provider of credentials: an administrator, and a member of a project."""

    def __init__(self, admin: str, member: str) -> None:
        self._admin, self._member = admin, member

    def get_admin_creds(self) -> Any:
        return _user(self._admin)

    def get_primary_creds(self) -> Any:
        return _user(self._member)

    def clear_creds(self) -> None:
        pass


def _user(token: str) -> Any:
    domain = dict.fromkeys(("user_domain_name", "project_domain_name"), "Default")
    named = auth.KeystoneV3Credentials(username=token, password="none", project_name="project", **domain)
    return types.SimpleNamespace(credentials=named)


def authenticated(url: str) -> Any:
    endpoint = {"interface": "public", "region": "RegionOne", "region_id": "RegionOne", "url": url}
    catalog = [{"type": "network", "name": "neutron", "endpoints": [endpoint]}]

    def _get_auth(provider: Any) -> tuple[str, dict[str, Any]]:
        named = {"id": "user", "name": "user", "domain": {"id": "default", "name": "Default"}}
        said = {"expires_at": FAR, "catalog": catalog, "user": named, "project": named}
        return provider.credentials.username, said

    return _get_auth


def main() -> None:
    url, admin, member, directory = sys.argv[1:]
    answers, sys.stdout = sys.stdout, sys.stderr  # to which tempest logs
    config.CONF.set_override("lock_path", directory, group="oslo_concurrency")
    config.CONF.set_override("uri_v3", f"{url}/v3", group="identity")
    config.CONF.set_override("region", "RegionOne", group="identity")
    users = Users(admin, member)
    with (
        mock.patch.object(test.BaseTestCase, "_get_credentials_provider", lambda: users),
        mock.patch.object(auth.KeystoneV3AuthProvider, "_get_auth", authenticated(url)),
        mock.patch.object(auth.KeystoneV3AuthProvider, "_fill_credentials", lambda *_: None),
    ):
        for name in MODULES:
            module = importlib.import_module(name)
            unittest.defaultTestLoader.loadTestsFromModule(module).run(Lines(answers))


if __name__ == "__main__":
    main()
