"""The devices section: how good each device is, the map of one, how its calibration went, jobs and budgets."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from phalanx.allocation import Explanation, JobNow
from phalanx.allocation.money import BudgetView
from phalanx.core import TenantId
from phalanx.dashboard._limits import (
    MAX_CONSIDERED_SHOWN,
    MAX_DEVICES_SHOWN,
    MAX_JOBS_SHOWN,
    MAX_PLACEMENTS_SHOWN,
)
from phalanx.dashboard._render import Renderer
from phalanx.dashboard._sections import DEVICES
from phalanx.devices import (
    DeviceFailure,
    DeviceView,
    HistoryNumber,
    Modality,
    WorkerView,
    device_view,
    has_map,
    history_line,
    history_svg,
    topology_svg,
)
from phalanx.trust import Principal

if TYPE_CHECKING:
    from phalanx.node import Node


@dataclass(frozen=True, slots=True)
class ShownJob:
    """A job, and what it costs in words; empty where nobody kept accounts of it."""

    job: JobNow
    cost: str


@dataclass(frozen=True, slots=True)
class DevicesPage:
    """What the page shows. ``chosen`` is the device whose figures and pictures are there.

    ``map`` is empty where all qubits couple, or none.
    """

    devices: tuple[DeviceView, ...]
    more: int
    chosen: DeviceView | None
    map: Markup
    history: Markup
    failures: tuple[DeviceFailure, ...]
    jobs: tuple[ShownJob, ...]
    workers: tuple[WorkerView, ...]
    policy: str
    placed: tuple[Explanation, ...]
    budgets: tuple[BudgetView, ...]

    @staticmethod
    def errors(one: DeviceView) -> tuple[tuple[str, float | None], ...]:
        """Its errors by name; none where what it has are no gates, so that nought would be said of nothing."""
        gates = one.kind not in (Modality.ANNEALER, Modality.PHOTONIC)
        return (
            ("Two-qubit error", one.two_qubit_error if gates else None),
            ("One-qubit error", one.one_qubit_error if gates else None),
            ("Readout error", one.readout_error if gates or one.readout_error else None),
        )


def devices_page(node: "Node", renderer: Renderer) -> Callable[[Request, Principal], Awaitable[Response]]:
    """The page of ``node``."""

    async def page(request: Request, principal: Principal) -> Response:
        view = await devices_shown(node, principal.tenant, request.query_params.get("device", ""))
        return renderer.page("devices.html", principal=principal, section=DEVICES.path, view=view)

    return page


def _shortened(one: Explanation) -> Explanation:
    """With the first few of those that fit, and of those that do not."""
    fits = [device for device in one.devices if device.fits][:MAX_CONSIDERED_SHOWN]
    refused = [device for device in one.devices if not device.fits][:MAX_CONSIDERED_SHOWN]
    return msgspec.structs.replace(one, devices=(*fits, *refused))


async def _cost(node: "Node", tenant: TenantId, job: str) -> str:
    found = await node.budgets.cost(tenant, job)
    return "" if found is None else found.told


async def devices_shown(node: "Node", tenant: TenantId, chosen: str) -> DevicesPage:
    """Raises ``NotFound`` when there is no device ``chosen``."""
    now_ns = node.clock.wall_ns()
    devices = sorted(node.fleet.devices(), key=lambda one: (one.origin.value != "hardware", one.provider, one.name))
    drawn, line, failed, about = Markup(), Markup(), list[DeviceFailure](), None
    if chosen:
        device = node.fleet.backend(chosen).device
        seen = await node.device_history.calibrations(device)
        about = device_view(device, now_ns, kept_away=node.placements.kept_away(chosen))
        # What these functions draw is made of numbers and escaped names.
        if has_map(device):
            drawn = Markup(await node.offload.run(topology_svg, device))  # noqa: S704
        if DevicesPage.errors(about)[0][1] is not None:
            line = Markup(history_svg(*history_line(chosen, seen, HistoryNumber.TWO_QUBIT_ERROR, None)))  # noqa: S704
        failed = await node.jobs.failures.of(tenant, chosen)
    return DevicesPage(
        devices=tuple(
            device_view(one, now_ns, kept_away=node.placements.kept_away(one.name))
            for one in devices[:MAX_DEVICES_SHOWN]
        ),
        more=max(0, len(devices) - MAX_DEVICES_SHOWN),
        chosen=about,
        map=drawn,
        history=line,
        failures=tuple(failed[: -MAX_JOBS_SHOWN - 1 : -1]),
        workers=tuple(await node.workers.newest()),
        jobs=tuple(
            [
                ShownJob(node.placements.now(one, node.jobs, seen_by=tenant), await _cost(node, tenant, one.id))
                for one in await node.jobs.newest(tenant, limit=MAX_JOBS_SHOWN)
            ]
        ),
        policy=node.placements.policy,
        placed=tuple(_shortened(one) for one in node.placements.recent(tenant)[:MAX_PLACEMENTS_SHOWN]),
        budgets=tuple([await node.budgets.view(one) for one in await node.budgets.all(tenant)]),
    )
