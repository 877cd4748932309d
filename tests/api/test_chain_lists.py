"""A list of chains computes the status of those alone to which something has happened; others run meanwhile. It finds
chains by their status."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from neutron_asgi import Front, run

MANY = 120


def test_a_list_computes_what_is_new_and_gives_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        b = Front(tmp_path)
        b.neutron.set_quota("admin", {"port_chain": -1, "port_pair_group": -1})
        for number in range(MANY):
            group = await b.make("port_pair_group")
            await b.make("port_chain", port_pair_groups=[group["id"]], name=f"chain {number}")
        computed: list[str] = []
        compute = b.neutron._compute

        def count(chain: str, name: str) -> tuple[str, list[str]]:
            computed.append(chain)
            return compute(chain, name)

        monkeypatch.setattr(b.neutron, "_compute", count)
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += bool(computed)

        async def listed(query: str = "") -> list[dict[str, Any]]:
            nonlocal turns
            computed.clear()
            turns = 0
            found: list[dict[str, Any]] = (await b.ask("GET", f"/v2.0/sfc/port_chains{query}")).body["port_chains"]
            return found

        other = asyncio.create_task(others())
        await asyncio.sleep(0)
        b.conductor.remembered.clear()
        chains = await listed()
        assert {chain["status"] for chain in chains} == {"DOWN"}
        assert (len(computed), turns) == (MANY, 2)  # fifty, fifty, and the rest with the answer
        assert await listed() == chains and computed == []
        b.conductor.remembered.clear()
        assert await listed("?name=chain%207") == [chains[7]] and computed == [chains[7]["id"]]
        assert len(await listed("?limit=5")) == 5 and len(computed) in (4, 5)
        await listed()
        answer = await b.ask("PUT", f"/v2.0/sfc/port_chains/{chains[3]['id']}", {"port_chain": {"name": "x"}})
        assert answer.status == 200
        changed = await listed()
        assert computed == [] and changed[3]["name"] == "x"  # the answer to the change computed it
        other.cancel()
        b.store.close()

    asyncio.run(main())


def test_a_list_finds_chains_by_their_status(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        ids = await front.furnish("red")
        for _ in range(3):
            group = await front.make("port_pair_group", "red")
            lacking = await front.make("port_chain", "red", port_pair_groups=[group["id"]])
            assert lacking["status"] == "DOWN"
            ids["port_chain"].append(lacking["id"])
        chains = ids["port_chain"]

        async def listed(query: str) -> dict[str, Any]:
            front.conductor.remembered.clear()
            answer = await front.ask("GET", f"/v2.0/sfc/port_chains?{query}", token="red")
            assert answer.status == 200, answer
            body: dict[str, Any] = answer.body
            return body

        async def found(query: str) -> list[str]:
            return [chain["id"] for chain in (await listed(query))["port_chains"]]

        build = [chain["id"] for chain in (await listed(""))["port_chains"] if chain["status"] == "BUILD"]
        assert set(build) == set(chains[:2])
        assert await found("status=BUILD") == build
        assert await found("status=DOWN&fields=id") == chains[2:]
        assert set(await found("status=DOWN&status=BUILD")) == set(chains)
        for nothing in (f"status=DOWN&id={chains[0]}", "status=ACTIVE", "status=down", "status="):
            assert await found(nothing) == []
        page, walked = await listed("status=DOWN&limit=2"), []
        while page["port_chains"]:
            walked.append([chain["id"] for chain in page["port_chains"]])
            page = await listed(f"status=DOWN&limit=2&marker={walked[-1][-1]}")
        assert walked == [sorted(chains[2:])[:2], sorted(chains[2:])[2:]]

    run(tmp_path, scenario)
