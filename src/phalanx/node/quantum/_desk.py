"""What a node does with quantum devices, without the node: for a script that places, books, runs and pays by
itself.

No server, agents or ledger. State is in a folder, like a node's, which one process uses at a time: jobs that were
not done when it was closed continue when it is opened again, and what was sent to a vendor is collected.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phalanx.adapters import OsEntropy, SystemClock, ThreadOffload
from phalanx.adapters.providers import provider_secret
from phalanx.adapters.storage import SqliteStore, lock_folder
from phalanx.allocation import Bookable, Learner, Placements, PolicyContext, Reservations
from phalanx.allocation.money import Budgets, OwnPrices, Prices
from phalanx.core import Clock, Store, Uuid7Source, keep_kernels_in
from phalanx.devices import JOBS_AT_ONCE, Backend, Fleet, History, Jobs, ProviderContext, watch_devices
from phalanx.node._limits import DESK_THREADS
from phalanx.node._open import make_private
from phalanx.node._plugins import provided_fleet, provided_policies
from phalanx.telemetry import Alerts, Telemetry


@dataclass(frozen=True, slots=True)
class QuantumDesk:
    """Devices, where circuits go and why, the calendar of the devices, money, and jobs. ``alerts`` tell of what was
    left out, and of devices that drift."""

    clock: Clock
    fleet: Fleet
    placements: Placements
    calendar: Reservations
    budgets: Budgets
    jobs: Jobs
    alerts: Alerts


@contextlib.asynccontextmanager
async def open_quantum_desk(
    folder: Path, *, policy: str = "expected_fidelity", hardware: Sequence[str] = (),
    options: Mapping[str, str] | None = None, wrap: Callable[[Backend], Backend] | None = None,
) -> AsyncIterator[QuantumDesk]:  # fmt: skip
    """The desk in ``folder``, which is made where it is missing; its jobs are carried out until the block ends.

    Devices are what the installed plug-ins bring, emulated but for the providers in ``hardware``, whose machines are
    real and billed. ``options`` are those of ``devices.options``; ``wrap`` is given each device and gives what is used
    for it, to count what goes there, say, or to have it fail in a drill. What it gives has to pass on what else a
    device can do (``QueuedBackend``, ``StagedBackend``, ``LiveBackend``, other programs): without ``submit`` and
    ``collect`` a real machine's jobs are sent under no key, and not collected after a restart. Raises ``InvalidInput``
    for a policy that there is not, and ``Unavailable`` while another process has the folder.
    """
    keep_kernels_in(folder / "kernels")
    clock = SystemClock()
    async with contextlib.AsyncExitStack() as stack:
        offload = stack.enter_context(contextlib.closing(ThreadOffload(DESK_THREADS)))
        await offload.run(make_private, folder, "folder")
        stack.enter_context(lock_folder(folder))
        store = await SqliteStore.open(folder / "state.sqlite")
        stack.push_async_callback(store.close)
        given = dict(options or {})
        secret = provider_secret(given, folder)
        context = ProviderContext(offload, clock, frozenset(hardware), given, secret, folder)
        desk = await _desk(store, context, policy, wrap)
        watched = watch_devices(desk.fleet, History(store, clock), clock, desk.alerts)
        async with _beside(desk.jobs.run(), desk.calendar.watch(), watched):
            yield desk


@contextlib.asynccontextmanager
async def _beside(*services: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """They run until the block ends. One that fails ends the block, which then raises what it raised."""
    owner, failed = asyncio.current_task(), list[BaseException]()
    assert owner is not None

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            failed.append(error)
            owner.cancel()

    tasks = [asyncio.create_task(one) for one in services]
    for one in tasks:
        one.add_done_callback(ended)

    def is_why() -> bool:
        """Whether a service failed, and nobody else ends the block."""
        for _ in failed:
            owner.uncancel()
        return bool(failed) and not owner.cancelling()

    try:
        yield
    except BaseException as error:
        if is_why():
            raise failed[0] from (None if isinstance(error, asyncio.CancelledError) else error)
        raise
    else:
        # The block may have taken the cancellation for its own.
        if is_why():
            raise failed[0]
    finally:
        for one in tasks:
            one.remove_done_callback(ended)
            one.cancel()
        await asyncio.wait(tasks)


async def _desk(
    store: Store, context: ProviderContext, policy: str, wrap: Callable[[Backend], Backend] | None
) -> QuantumDesk:
    clock, offload = context.clock, context.offload
    telemetry = Telemetry(clock)
    alerts, learner, entropy = Alerts(telemetry), Learner(), OsEntropy()
    fleet = provided_fleet(context, alerts)
    if wrap is not None:
        fleet = Fleet([wrap(fleet.backend(name)) for name in fleet.names()])
    policies = provided_policies(PolicyContext(), alerts, learner)
    placements = Placements(
        fleet, clock, offload, policies, policy=policy, slots=JOBS_AT_ONCE, own_prices=OwnPrices(Prices(store))
    )
    ids = Uuid7Source(clock, lambda bits: int.from_bytes(entropy.token(16)) >> (128 - bits))
    calendar = Reservations(store, clock, ids, placements.booked)
    known = {one.name for one in await calendar.resources()}
    for device in fleet.devices():
        if device.name not in known:
            await calendar.declare(Bookable(name=device.name))
    budgets = Budgets(store, clock, fleet, offload)
    jobs = Jobs(store, clock, ids, fleet, telemetry, placements, budgets, None, offload)
    return QuantumDesk(clock, fleet, placements, calendar, budgets, jobs, alerts)
