"""One of the nodes of ``bench agents --suite succession``: a whole node in a process of its own, which may be killed.

Told what to be by one JSON object, it answers orders that come line by line, and says by itself when a mission is done.
Its one skill for findings looks up its finding and the others of the case, and keeps what it made of them, as the
stand-in of ``bench agents`` does. An owner that is to be killed holds on to its missions.
"""

import asyncio
import json
import sys
import time
from typing import Any

from phalanx.agents import MISSIONS, Mission, MissionStatus, Role, mission_writes
from phalanx.bench.agents._work import Meter, StandIn, findings
from phalanx.core import DEFAULT_TENANT, MAX_PAGE_ROWS, Rng, Write, decode
from phalanx.crypto.identity import Chain
from phalanx.intel import finding_put

_SKILL_ROLE = Role.HUNTER


class Holding(StandIn):
    """The stand-in of hunters; where it is to hold, no mission comes to its end."""

    def __init__(self, *, holds: bool) -> None:
        super().__init__(_SKILL_ROLE, Meter())
        self._holds = holds

    async def perform(self, mission: Mission, tools: Any) -> str:
        if self._holds:
            await asyncio.Event().wait()
        told = await super().perform(mission, tools)
        say({"performed": mission.id, "origin": mission.origin, "at_ns": time.time_ns()})
        return told


def say(what: dict[str, Any]) -> None:
    """One line for whoever started this process."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def host(given: dict[str, Any]) -> None:
    """A node until its input ends."""
    from phalanx.node import Settings, build_node, open_ports

    settings = Settings.model_validate(
        {
            "node": {"data_dir": given["folder"], "name": given["name"]},
            "identity": {"organisation": f"org-{given['name']}"}, "agents": {"per_role": 2},
            "cluster": {"urls": [given["url"]], "heirs": ["*"]}, "log": {"level": "error"},
            "canary": {"probe_every_s": 0},
        }
    )  # fmt: skip
    skill = Holding(holds=given["holds"])
    async with open_ports(settings) as ports, build_node(settings, ports, besides=[skill]) as node:
        own = await node.identities.chain(str(node.identities.names.root_subject))
        say({"chain": own.to_text(), "process": node.bus.process})
        reader = asyncio.StreamReader(limit=2**22)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            say(await _obey(node, skill, json.loads(line)))


async def _obey(node: Any, skill: Holding, order: dict[str, Any]) -> dict[str, Any]:
    match order["do"]:
        case "trust":
            await node.identities.trust(Chain.from_text(order["chain"]).root, actor="benchmark")
            return {"ok": True}
        case "give":
            writes: list[Write] = []
            for one in findings(Rng(order["seed"]), order["n"], f"give-{order['seed']}"):
                made = mission_writes(one, at_ns=time.time_ns(), skill=skill.manifest.name)
                writes += [finding_put(one), *made]
            await node.store.commit(writes)
            node.swarm.wake()
            return {"ok": True}
        case "view":
            view = node.swarm.succession.view()
            return {"present": list(view.present), "heirs": view.heirs, "owners": view.owners, "taken": len(view.taken)}
    rows = await node.store.scan(MISSIONS, DEFAULT_TENANT, limit=MAX_PAGE_ROWS)
    missions = [decode(row.value, Mission) for row in rows]
    return {
        "missions": {one.id: [one.status.value, one.origin, one.taken_by] for one in missions},
        "done": sum(one.status is MissionStatus.DONE for one in missions),
    }


if __name__ == "__main__":
    asyncio.run(host(json.loads(sys.argv[1])))
