"""A node, or a worker, as a process of its own, with one step that takes until it is let go.

``held_step.py node FOLDER LEASE_S`` and ``held_step.py worker FOLDER``: FOLDER has the store, the server's files, the
token, and a FIFO ``gate`` on which the step waits. Whoever begins the step leaves a file ``began-PID`` there.
"""

import asyncio
import os
import sys
from pathlib import Path


def template():
    import held_functions

    from phalanx.workflows import Workflow

    made = Workflow("held", title="A step that takes until it is let go")
    for function in (held_functions.folder, held_functions.held):
        made.step(pure=True, in_process=True)(function)
    made.step(pure=True)(held_functions.after)
    return made.template()


async def node(home, lease_s):
    from phalanx.adapters import OsEntropy, SystemClock
    from phalanx.adapters.nats import NatsCluster, ServePlan
    from phalanx.adapters.processes import ProcessOffload
    from phalanx.adapters.storage import SqliteStore
    from phalanx.core import DEFAULT_TENANT, NO_TRACE, Rng, derive_id
    from phalanx.devices import Fleet
    from phalanx.telemetry import Telemetry
    from phalanx.testing import wait_until
    from phalanx.workflows import Engine, portable
    from phalanx.workflows.workers import Crew, WorkerSeals

    clock, entropy = SystemClock(), OsEntropy()
    telemetry = Telemetry(clock)
    cluster = NatsCluster(home / "cluster", ServePlan(), clock=clock, rng=Rng(1), entropy=entropy)
    await cluster.open("hq.org", telemetry, lambda *_: None)
    if not (home / "seed").exists():
        access = await cluster.invite_worker("w")
        (home / "secret").write_bytes(entropy.token(32))
        (home / "ca").write_text(access.ca)
        (home / "url").write_text(access.urls[0])
        (home / "seed").write_text(access.seed)
    line = cluster.crew_line({"w": WorkerSeals("w", (home / "secret").read_bytes(), entropy, node=True)})
    local = ProcessOffload(1)
    crew = Crew(portable((), [template()]), local, clock, telemetry, slots=1, release="1", line=line, lease_s=lease_s)
    store = await SqliteStore.open(home / "store.sqlite")
    engine = Engine(store, clock, telemetry, Fleet([]), local, Rng(2), processes=local, crew=crew)
    engine.register(template())
    serving = asyncio.ensure_future(crew.serve())
    (home / "served").touch()
    await wait_until(lambda: any(one.stage == "here" for one in crew.workers()))
    run = derive_id(10**18, "held")
    await engine.run("held", run_id=run, tenant=DEFAULT_TENANT, trace=NO_TRACE, inputs={})
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    await store.close()
    await cluster.close()
    local.close()


async def worker(home):
    from phalanx.adapters import OsEntropy, SystemClock
    from phalanx.adapters.nats import ClusterAccess, NatsHandLine
    from phalanx.adapters.processes import ProcessOffload
    from phalanx.core import Rng
    from phalanx.telemetry import Telemetry
    from phalanx.workflows import portable
    from phalanx.workflows.workers import Hand, HandPlan, WorkerSeals

    clock = SystemClock()
    url, ca, seed = ((home / name).read_text() for name in ("url", "ca", "seed"))
    seals = WorkerSeals("w", (home / "secret").read_bytes(), OsEntropy(), node=False)
    line = NatsHandLine(ClusterAccess((url,), ca, seed).worker("w"), "w", seals, clock=clock, rng=Rng(os.getpid()))
    plan = HandPlan(slots=1, machine="m", release="1")
    hand = Hand(portable((), [template()]), line, ProcessOffload(1), clock, Telemetry(clock), plan)
    await asyncio.gather(line.serve(), hand.serve())


if __name__ == "__main__":
    folder = Path(sys.argv[2])
    os.environ["HELD_FOLDER"] = str(folder)
    asyncio.run(node(folder, float(sys.argv[3])) if sys.argv[1] == "node" else worker(folder))
