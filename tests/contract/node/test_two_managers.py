"""Two managers, two processes, one PostgreSQL: no window is booked twice and no money is granted twice, kills included.

Each process books windows of one device and submits jobs against one budget, as fast as it can, and says what it was
promised. One of them is killed in the middle of it and started again. What was promised is there afterwards; what is
there never overlaps, and never adds up to more than was granted.
"""

import asyncio
import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from phalanx.adapters.storage import PostgresStore
from phalanx.allocation import Reservations
from phalanx.allocation.money import ACCOUNTS, CHARGES, Account, Charge, ChargeState
from phalanx.core import DEFAULT_TENANT, TenantId, Uuid7Source, decode

EACH, LIMIT, FIRST_LIFE = 12, 20, 5

WORKER = """
import asyncio, dataclasses, secrets, sys
from phalanx.adapters import SystemClock, ThreadOffload
from phalanx.adapters.storage import PostgresStore
from phalanx.allocation import Ask, Bookable, Reservations
from phalanx.allocation.money import Budgets, OverBudget, Period
from phalanx.core import DEFAULT_TENANT, Uuid7Source
from phalanx.devices import Fleet, Jobs, ideal_device, price_per_shot
from phalanx.quantum import Gates
from phalanx.telemetry import Telemetry

dsn, me, each, limit = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])


class Machine:
    device = dataclasses.replace(
        ideal_device("a.machine", 2, max_shots=1_000), price=price_per_shot(1.0, 0.0, as_of_ns=1, source="a list")
    )


async def main():
    clock, store = SystemClock(), await PostgresStore.open(dsn)
    ids = Uuid7Source(clock, secrets.randbits)
    offload, fleet = ThreadOffload(1), Fleet([Machine()])
    calendar, budgets = Reservations(store, clock, ids), Budgets(store, clock, fleet, offload)
    jobs = Jobs(store, clock, ids, fleet, Telemetry(clock), purse=budgets)
    await calendar.declare(Bookable(name="qpu"))
    await budgets.put(DEFAULT_TENANT, "lab", unit="USD", limit=limit, period=Period.ONCE)
    print("ready", flush=True)
    for n in range(each):
        ask = Ask(demands={"qpu": 1}, duration_ns=10**9, earliest_ns=1_900_000_000 * 10**9)
        await calendar.book(me, ask, id=f"{me}-{n}")
        print("booked", f"{me}-{n}", flush=True)
        try:
            job = await jobs.submit(DEFAULT_TENANT, Gates(1).x(0).measure(0).circuit(), shots=1, key=f"{me}-{n}")
        except OverBudget:
            print("refused", f"{me}-{n}", flush=True)
        else:
            print("paid", job.id, flush=True)
    offload.close()
    await store.close()


asyncio.run(main())
"""


def begin(dsn, name):
    source = Path(__file__).resolve().parents[3] / "src"
    command = [sys.executable, "-c", WORKER, dsn, name, str(EACH), str(LIMIT)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(source)}
    )  # fmt: skip


@pytest.mark.postgres
@pytest.mark.requirement("QRM-3", "QRM-7", "QRM-8")
def test_two_managers_on_postgresql_never_grant_one_thing_twice_though_one_is_killed(postgres_server):
    postgres_server.sql("CREATE DATABASE managers")
    dsn = postgres_server.dsn.replace("/postgres?", "/managers?")
    said = []
    try:
        one, other = begin(dsn, "one"), begin(dsn, "other")
        while sum(line.startswith("booked one") for line in said) < FIRST_LIFE:
            line = one.stdout.readline()
            assert line, "the first manager ended by itself"
            said.append(line)
        os.kill(one.pid, signal.SIGKILL)
        said += one.communicate()[0].splitlines()
        assert one.returncode == -signal.SIGKILL
        again = begin(dsn, "one")
        for process in (again, other):
            said += process.communicate(timeout=120)[0].splitlines()
            assert process.returncode == 0
        asyncio.run(_check(dsn, [line.split() for line in said]))
    finally:
        for process in (one, other):
            if process.poll() is None:
                process.kill()
                process.communicate()
        postgres_server.sql("DROP DATABASE managers WITH (FORCE)")


async def _check(dsn, said):
    store = await PostgresStore.open(dsn)
    try:
        calendar = Reservations(store, _Fixed(), Uuid7Source(_Fixed(), lambda bits: 0))
        booked = [one for name in ("one", "other") for one in await calendar.bookings(TenantId(name))]
        assert {one.id for one in booked} == {f"{name}-{n}" for name in ("one", "other") for n in range(EACH)}
        assert {words[1] for words in said if words[0] == "booked"} <= {one.id for one in booked}
        spans = sorted((one.start_ns, one.end_ns) for one in booked)
        assert all(end <= start for (_, end), (start, _) in pairwise(spans)), spans
        assert spans[-1][1] - spans[0][0] == 2 * EACH * 10**9, "and no window is wasted"
        row = await store.get(ACCOUNTS, DEFAULT_TENANT, "lab/USD/all")
        held = decode(row.value, Account).held
        charges = [decode(each.value, Charge) for each in await store.scan(CHARGES, DEFAULT_TENANT)]
        assert all(one.state is ChargeState.HELD for one in charges)
        assert held == len(charges) * 10**6 == LIMIT * 10**6, "all that was granted, and no more"
        assert {words[1] for words in said if words[0] == "paid"} <= {one.id for one in charges}
        assert any(words[0] == "refused" for words in said)
    finally:
        await store.close()


class _Fixed:
    """A clock that stands still, before everything that was booked."""

    def wall_ns(self):
        return 1_800_000_000 * 10**9
