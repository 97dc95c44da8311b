"""Before circuits are laid out and simulated, kernels are compiled in a separate process.

numba compiles in Python: if that ran in the node's process, on a machine that has never compiled them, the node
would share its interpreter with the compiler for a quarter of a minute, and on a busy machine agents would be taken
for silent.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import ParamSpec, TypeVar

from phalanx.core import KernelCompiler, Offload, Unavailable
from phalanx.node._ports import Ports
from phalanx.telemetry import Telemetry

_P = ParamSpec("_P")
_T = TypeVar("_T")
CIRCUIT_KERNELS = ("simulators", "mapping", "allocation")


def calculating(ports: Ports, telemetry: Telemetry) -> Ports:
    """The same ports, for rooms that calculate with circuits."""
    if ports.kernels is None:
        return ports
    return replace(ports, offload=CompiledFirst(ports.offload, ports.kernels, telemetry))


async def compile_ahead(kernels: KernelCompiler) -> None:
    """Begin before the first circuit comes: whoever waits for a compiler for a minute is taken for hung."""
    with contextlib.suppress(Unavailable):  # The first who calculates asks again, and is told.
        await kernels.compile(*CIRCUIT_KERNELS)
    await asyncio.Event().wait()


class CompiledFirst:
    """An ``Offload`` whose work waits, once, until the kernels of circuits are there."""

    def __init__(self, offload: Offload, kernels: KernelCompiler, telemetry: Telemetry) -> None:
        self._offload, self._kernels, self._log = offload, kernels, telemetry.log
        self._ready, self._turn = False, asyncio.Lock()

    async def run(self, work: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        if not self._ready:
            async with self._turn:
                await self._prepare()
        return await self._offload.run(work, *args, **kwargs)

    async def _prepare(self) -> None:
        if self._ready:
            return
        try:
            await self._kernels.compile(*CIRCUIT_KERNELS)
        except Unavailable as error:
            # Compiling here and now is slow for everyone; not to calculate at all would be worse.
            self._log.warning("kernels of circuits are compiled in the node itself", reason=error.message)
        self._ready = True
