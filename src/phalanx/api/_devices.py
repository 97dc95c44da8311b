"""Quantum devices: which there are, and how good each is."""

from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._replies import reply
from phalanx.api._schemas import answer
from phalanx.devices import DeviceDetail, DeviceView, device_detail, device_view
from phalanx.trust import Role

if TYPE_CHECKING:
    from phalanx.node import Node

KINDS: tuple[type, ...] = (DeviceView, DeviceDetail)


def device_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/devices``."""
    router = APIRouter(prefix="/v1/devices", tags=["devices"], default_response_class=Response)
    viewer = Depends(gate.needs(Role.VIEWER))

    @router.get("", responses=answer(DeviceView, many=True), dependencies=[viewer])
    async def list_devices() -> Response:
        """Quantum devices and simulators, how good each is, and what its results are."""
        now_ns = node.clock.wall_ns()
        return reply({"items": [device_view(device, now_ns) for device in node.fleet.devices()], "next": ""})

    @router.get("/{name}", responses=answer(DeviceDetail), dependencies=[viewer])
    async def get_device(name: str) -> Response:
        """Everything known of one device, qubit by qubit."""
        return reply(device_detail(node.fleet.backend(name).device, node.clock.wall_ns()))

    return router
