"""A list of chains computes the status of those alone to which something has happened; others run meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from neutron_asgi import Front

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
