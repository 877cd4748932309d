"""Keystone as the authority: what its middleware is asked, how often, and what follows from what it says."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fake_keystone import FakeKeystone

from segue.api import keystone, keystone_middleware
from segue.api.auth import Admitted, Refusal
from segue.api.keystone import AT_ONCE, Keystone
from segue.api.keystone_middleware import KeystoneError, Known, Middleware, Request, Unreachable, caller
from segue.api.token_file import TokenFile, change
from segue.api.tokens import new_token
from segue.neutron.caller import Caller

URI = "http://keystone.example/v3"
ALICE = Caller("red", roles=("member",), user="alice")


class World:
    """A middleware of the test's own, and clocks that stand still until they are moved."""

    def __init__(self, keep: float = 300.0) -> None:
        self.tokens: dict[str, Known | Exception] = {"good": Known(ALICE, 5000.0)}
        self.asked: list[Request] = []
        self.now = 1000.0
        self.work: Callable[[], None] = lambda: None
        self.keystone = Keystone(self.ask, URI, keep, lambda: self.now, lambda: self.now)

    def ask(self, request: Request) -> Known | str:
        self.asked.append(request)
        self.work()
        found = self.tokens.get(request.token, "nobody's")
        if isinstance(found, Exception):
            raise found
        return found

    async def admit(self, token: str = "good", method: str = "GET", path: str = "/v2.0/networks") -> Admitted | str:
        return await self.keystone.admit(token, method, path)

    async def refused(self, token: str = "good") -> Refusal:
        with pytest.raises(Refusal) as found:
            await self.admit(token)
        return found.value


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


# -- what is remembered -----------------------------------------------------------------------------------------------


def test_a_thousand_requests_ask_once() -> None:
    async def scenario() -> None:
        for number in range(1000):
            admitted = await world.admit(path=f"/v2.0/networks/{number}")
            assert isinstance(admitted, Admitted) and admitted.caller == ALICE
        assert len(world.asked) == 1
        world.now += 299
        await world.admit()
        assert len(world.asked) == 1
        world.now += 2
        await world.admit()
        assert len(world.asked) == 2

    world = World()
    run(scenario())


def test_without_a_time_to_remember_each_request_asks() -> None:
    async def scenario() -> None:
        for _ in range(3):
            await world.admit()
        assert len(world.asked) == 3

    world = World(keep=0)
    run(scenario())


def test_requests_that_come_together_ask_once() -> None:
    async def scenario() -> None:
        found = await asyncio.gather(*(world.admit() for _ in range(50)))
        assert all(isinstance(one, Admitted) for one in found) and len(world.asked) == 1

    world = World()
    world.work = lambda: time.sleep(0.05)
    run(scenario())


def test_one_that_goes_away_leaves_the_answer_to_the_others() -> None:
    async def scenario() -> None:
        first, second = (asyncio.create_task(world.admit()) for _ in range(2))
        await asyncio.sleep(0.05)
        first.cancel()
        assert isinstance(await second, Admitted) and len(world.asked) == 1

    world = World()
    world.work = lambda: time.sleep(0.2)
    run(scenario())


def test_a_token_ends_when_it_says_although_it_is_remembered() -> None:
    async def scenario() -> None:
        world.tokens["good"] = Known(ALICE, 1060.0)
        assert isinstance(await world.admit(), Admitted)
        world.now = 1060.0
        assert await world.admit() == "a token that has expired" and len(world.asked) == 1

    world = World()
    run(scenario())


def test_a_token_with_access_rules_is_asked_about_for_each_method_and_path() -> None:
    async def scenario() -> None:
        world.tokens["good"] = Known(ALICE, 5000.0, ruled=True)
        for method, path in (("GET", "/a"), ("POST", "/a"), ("GET", "/b"), ("GET", "/a"), ("POST", "/a")):
            await world.admit("good", method, path)
        assert world.asked == [Request("good", *what) for what in (("GET", "/a"), ("POST", "/a"), ("GET", "/b"))]

    world = World()
    run(scenario())


def test_a_wrong_token_is_remembered_for_a_while() -> None:
    async def scenario() -> None:
        for _ in range(3):
            assert await world.admit("bad") == "nobody's"
        assert len(world.asked) == 1
        world.now += keystone.REJECTED
        world.tokens["bad"] = Known(ALICE, 5000.0)
        assert isinstance(await world.admit("bad"), Admitted)

    world = World()
    run(scenario())


def test_what_is_remembered_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        for number in range(9):
            await world.admit(f"token{number}")
        await world.admit("token8")
        assert len(world.asked) == 9
        await world.admit("token0")
        assert len(world.asked) == 10 and len(world.keystone._found) == 4

    monkeypatch.setattr(keystone, "REMEMBERED", 4)
    world = World()
    run(scenario())


def test_nothing_that_is_remembered_is_a_token() -> None:
    async def scenario() -> None:
        await world.admit()
        assert "good" not in repr(world.keystone._found)

    world = World()
    run(scenario())


@pytest.mark.parametrize("text", ["two words", "tab\t", "new\nline", "ä", "\udc80", "\x00", "x" * 5000])
def test_keystone_is_not_asked_about_what_can_be_no_token(text: str) -> None:
    async def scenario() -> None:
        assert "cannot be a token" in str(await world.admit(text))
        assert not world.asked

    world = World()
    run(scenario())


def test_keystone_is_asked_about_so_many_at_once() -> None:
    async def scenario() -> None:
        await asyncio.gather(*(world.admit(f"token{number}") for number in range(4 * AT_ONCE)))
        assert len(world.asked) == 4 * AT_ONCE and max(seen) == AT_ONCE

    def work() -> None:
        here.append(0)
        seen.append(len(here))
        time.sleep(0.05)
        here.pop()

    here: list[int] = []
    seen: list[int] = []
    world = World()
    world.work = work
    run(scenario())


# -- a Keystone that does not answer ----------------------------------------------------------------------------------


def test_a_keystone_that_is_not_reached_is_no_wrong_token(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        world.tokens["new"] = Unreachable("connection refused", it=True)
        assert isinstance(await world.admit(), Admitted)
        refusal = await world.refused("new")
        assert (refusal.status, refusal.title) == (503, "ServiceUnavailable") and refusal.headers
        assert isinstance(await world.admit(), Admitted), "what is remembered goes on"
        for _ in range(5):
            await world.refused("other")
        assert len(world.asked) == 2, "it is left alone for a moment"
        for _ in range(40):
            world.now += keystone.AGAIN
            await world.refused("new")
        assert len(world.asked) == 42 and caplog.text.count("connection refused") == 1
        world.now += keystone.SAY_AGAIN
        await world.refused("new")
        assert caplog.text.count("connection refused") == 2
        world.now += keystone.AGAIN
        world.tokens["new"] = Known(ALICE, 5000.0)
        assert isinstance(await world.admit("new"), Admitted)
        assert f"Keystone at {URI} answers again" in caplog.text

    caplog.set_level(logging.INFO)
    world = World()
    run(scenario())


def test_one_token_that_keystone_stumbles_over_is_no_matter_to_others() -> None:
    async def scenario() -> None:
        world.tokens["odd"] = Unreachable("400", it=False)
        assert (await world.refused("odd")).status == 503
        assert isinstance(await world.admit(), Admitted)

    world = World()
    run(scenario())


# -- what takes its time ----------------------------------------------------------------------------------------------


async def admitted(world: World) -> Admitted:
    found = await world.admit()
    assert isinstance(found, Admitted) and found.holds()
    return found


async def settled(holds: Callable[[], bool]) -> bool:
    """After what it began has had time to end."""
    holds()
    await asyncio.sleep(0.05)
    return holds()


def test_what_is_under_way_ends_with_its_token() -> None:
    async def scenario() -> None:
        holds = (await admitted(world)).holds
        world.now = 4999.0
        assert holds()
        world.now = 5000.0
        assert not holds()

    world = World()
    run(scenario())


def test_what_is_under_way_ends_when_its_token_is_revoked() -> None:
    async def scenario() -> None:
        first, other = (await admitted(world)).holds, (await admitted(world)).holds
        del world.tokens["good"]
        world.now += 299
        assert await settled(first)
        world.now += 1
        assert not await settled(first) and not await settled(other)
        assert len(world.asked) == 2

    world = World()
    run(scenario())


def test_what_is_under_way_ends_when_its_roles_change() -> None:
    async def scenario() -> None:
        holds = (await admitted(world)).holds
        world.tokens["good"] = Known(Caller("red", roles=("reader",), user="alice"), 5000.0)
        world.now += 300
        assert not await settled(holds)

    world = World()
    run(scenario())


def test_what_is_under_way_outlives_a_keystone_that_does_not_answer() -> None:
    async def scenario() -> None:
        holds = (await admitted(world)).holds
        world.tokens["good"] = Unreachable("connection refused", it=True)
        world.now += 300
        assert await settled(holds) and len(world.asked) == 2
        del world.tokens["good"]
        world.now += 300
        assert not await settled(holds)

    world = World()
    run(scenario())


# -- who it is --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("project", "system", "roles", "found"),
    [
        ("p", "", "member,reader", Caller("p", roles=("member", "reader"), user="u")),
        ("p", "", "Admin,manager,member", Caller("p", admin=True, roles=("admin", "member"), user="u")),
        ("p", "", "agent,service", Caller("p", roles=("agent",), user="u")),
        ("p", "", "administrator,cook", Caller("p", user="u")),
        ("p", "", None, Caller("p", user="u")),
        (None, "all", "admin,reader", Caller("", admin=True, roles=("admin",), user="u")),
        (None, "all", "member,reader", Caller("", user="u")),
        (None, None, "admin,member", Caller("", user="u")),
    ],
)
def test_roles_of_keystone(project: str | None, system: str | None, roles: str | None, found: Caller) -> None:
    environ = {"HTTP_X_PROJECT_ID": project, "HTTP_OPENSTACK_SYSTEM_SCOPE": system, "HTTP_X_ROLES": roles}
    assert caller({**environ, "HTTP_X_USER_ID": "u"}) == found


# -- the middleware ---------------------------------------------------------------------------------------------------


def ask(middleware: Middleware, token: str, method: str = "GET", path: str = "/v2.0/networks") -> Known | str:
    return middleware(Request(token, method, path))


def test_the_middleware_says_who_it_is(fake: FakeKeystone, tmp_path: Path) -> None:
    middleware = Middleware(fake.config(tmp_path / "c"))
    found = ask(middleware, fake.token("alice", 60))
    assert isinstance(found, Known) and found.caller == Caller("p-red", False, ("member", "reader"), "u-alice")
    assert 50 < found.ends - time.time() <= 60 and not found.ruled
    assert isinstance(ask(middleware, "gAAAAAwrong"), str)
    assert isinstance(ask(middleware, fake.token("alice", -1)), str)
    system = fake.token("root", project=None, system={"all": True}, roles=[{"id": "r", "name": "admin"}])
    assert ask(middleware, system) == Known(Caller("", True, ("admin",), "u-root"), _ends(fake, system))
    domain = fake.token("root", project=None, domain={"id": "default", "name": "Default"})
    assert ask(middleware, domain) == Known(Caller("", user="u-root"), _ends(fake, domain))
    unscoped = fake.token("root", project=None, roles=None, catalog=None)
    assert ask(middleware, unscoped) == Known(Caller("", user="u-root"), _ends(fake, unscoped))


def _ends(fake: FakeKeystone, token: str) -> float:
    return datetime.fromisoformat(fake.tokens[token]["expires_at"]).timestamp()


def test_the_middleware_remembers_nothing_itself(fake: FakeKeystone, tmp_path: Path) -> None:
    """So that what is revoked is not remembered twice as long."""
    middleware = Middleware(fake.config(tmp_path / "c", memcached_servers="127.0.0.1:1"))
    token = fake.token("alice")
    assert isinstance(ask(middleware, token), Known) and isinstance(ask(middleware, token), Known)
    assert fake.asked == [token, token]


def test_a_configuration_of_another_service_will_do(fake: FakeKeystone, tmp_path: Path) -> None:
    """With what that service needs besides, and the service user in a section of its own."""
    path = fake.config(tmp_path / "c")
    head, *lines = path.read_text().splitlines()
    uri, *user = lines
    more = ["memcached_servers = 127.0.0.1:1", "memcache_security_strategy = MAC", "memcache_secret_key = s"]
    rest = ["[database]", "connection = sqlite://", "[ml2]", "type_drivers = vxlan"]
    text = ["[DEFAULT]", "core_plugin = ml2", head, uri, "auth_section = who", *more, "[who]", *user, *rest]
    path.write_text("\n".join(text))
    assert isinstance(ask(Middleware(path), fake.token("alice")), Known)


def test_an_option_may_come_from_the_environment(
    fake: FakeKeystone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fake.config(tmp_path / "c", password="not this one")
    with pytest.raises(Unreachable):
        ask(Middleware(path), fake.token("alice"))
    monkeypatch.setenv("OS_KEYSTONE_AUTHTOKEN__PASSWORD", fake.password)
    assert isinstance(ask(Middleware(path), fake.token("alice")), Known)


def test_access_rules_hold(fake: FakeKeystone, tmp_path: Path) -> None:
    middleware = Middleware(fake.config(tmp_path / "c", service_type="network"))
    rules = [{"id": "1", "method": "GET", "path": "/v2.0/**", "service": "network"}]
    token = fake.token("alice", application_credential={"id": "a", "restricted": True, "access_rules": rules})
    found = ask(middleware, token, "GET", "/v2.0/sfc/port_chains")
    assert isinstance(found, Known) and found.ruled
    assert isinstance(ask(middleware, token, "POST", "/v2.0/sfc/port_chains"), str)
    assert isinstance(ask(middleware, token, "GET", "/v1/objects"), str)
    without = Middleware(fake.config(tmp_path / "c"))
    assert isinstance(ask(without, token), str), "without service_type nobody knows which rules are meant"


@pytest.mark.parametrize(
    ("failing", "words"), [(500, "fetch token data"), (503, "fetch"), (403, "fetch"), (401, "rejected")]
)
def test_a_keystone_that_fails_is_no_wrong_token(fake: FakeKeystone, tmp_path: Path, failing: int, words: str) -> None:
    middleware = Middleware(fake.config(tmp_path / "c"))
    fake.failing = failing
    with pytest.raises(Unreachable, match=words) as found:
        ask(middleware, fake.token("alice"))
    assert not found.value.it
    fake.failing = 0
    assert isinstance(ask(middleware, fake.token("alice")), Known)


def test_a_keystone_that_is_gone_is_no_wrong_token(fake: FakeKeystone, tmp_path: Path) -> None:
    middleware = Middleware(fake.config(tmp_path / "c"))
    token = fake.token("alice")
    fake.stop()
    for _ in range(2):
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1") as found:
            ask(middleware, token)
        assert found.value.it
    fake.start()
    assert isinstance(ask(middleware, token), Known)
    fake.stop()
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1"):
        ask(middleware, token)


@pytest.mark.parametrize("said", [1, None])
def test_a_keystone_that_never_answers_is_waited_for_so_long(
    fake: FakeKeystone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: int | None
) -> None:
    if said is None:
        assert keystone_middleware.DEFAULTS["http_connect_timeout"] <= 15
        monkeypatch.setitem(keystone_middleware.DEFAULTS, "http_connect_timeout", 1)
    middleware = Middleware(fake.config(tmp_path / "c", http_connect_timeout=said))
    token = fake.token("alice")
    fake.delay = 60
    before = time.monotonic()
    with pytest.raises(Unreachable) as found:
        ask(middleware, token)
    assert found.value.it and time.monotonic() - before < 20


def test_a_service_user_that_keystone_refuses_is_no_wrong_token(fake: FakeKeystone, tmp_path: Path) -> None:
    middleware = Middleware(fake.config(tmp_path / "c"))
    fake.password = "another"
    with pytest.raises(Unreachable, match="rejected authorization"):
        ask(middleware, fake.token("alice"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"auth_type": None}, "has no auth_type"),
        ({"auth_type": "nonsense"}, "nonsense"),
        ({"auth_url": None}, "auth.url"),
        ({"token_cache_time": "long"}, "token_cache_time"),
        ({"memcache_security_strategy": "ENCRYPT"}, "memcache_secret_key"),
        ({"cafile": "/nowhere\nbad line"}, "bad line"),
    ],
)
def test_mistakes_in_the_configuration_are_told(
    fake: FakeKeystone, tmp_path: Path, options: dict[str, object], words: str
) -> None:
    with pytest.raises(KeystoneError, match=words):
        Middleware(fake.config(tmp_path / "c", **options))


def test_where_tokens_are_got_is_where_the_service_gets_its_own_unless_it_is_said(
    fake: FakeKeystone, tmp_path: Path
) -> None:
    assert Middleware(fake.config(tmp_path / "c", www_authenticate_uri=URI)).uri == URI
    assert Middleware(fake.config(tmp_path / "c", www_authenticate_uri=None)).uri == f"{fake.url}/v3"


def test_a_configuration_that_is_not_there_or_empty_is_told(tmp_path: Path) -> None:
    with pytest.raises(KeystoneError, match="nowhere"):
        Middleware(tmp_path / "nowhere")
    (tmp_path / "empty").write_text("")
    with pytest.raises(KeystoneError, match="has no auth_type"):
        Middleware(tmp_path / "empty")


def test_without_the_library_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keystonemiddleware", None)
    with pytest.raises(KeystoneError, match=r"pip install 'segue\[keystone\]'"):
        Middleware(tmp_path / "c")


# -- beside a file of tokens ------------------------------------------------------------------------------------------


def test_a_token_of_the_file_is_the_files_whatever_its_secret(tmp_path: Path) -> None:
    async def scenario() -> None:
        both = keystone.FileFirst(file, keystone_says("file"), keystone_says("keystone"))
        assert both.challenge == ("keystone", "file")
        for presented, which in ((text, "file"), ("node.wrong", "file"), ("node", "file"), ("gAAAAAx", "keystone")):
            assert await both.admit(presented, "GET", "/") == which
        change(tmp_path / "t", lambda _: {})
        assert await both.admit(text, "GET", "/") == "keystone"

    text, token = new_token("node", bytes(32), "web", ["agent"])
    change(tmp_path / "t", lambda _: {"node": token})
    file = TokenFile(tmp_path / "t")
    run(scenario())


def keystone_says(word: str) -> Any:
    class Said:
        challenge = (word,)

        async def admit(self, *_: str) -> str:
            return word

    return Said()
