"""Look-ups on a GPU: the arrays of a table as they are, one thread for each digest that is asked for.

Needs a CUDA device, or numba's simulator (``NUMBA_ENABLE_CUDASIM=1`` before numba is imported), which is for tests.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from phalanx.core import Unavailable
from phalanx.intel.indicators._table import Digests, IndicatorTable

cuda: Any
_THREADS = 256
_U32 = np.uint64(32)
_MASK6 = np.uint64(63)
_ONE = np.uint64(1)


def _kernel() -> Any:
    # A name of the module: the simulator puts itself in its place while a kernel runs.
    global cuda
    from numba import cuda

    @cuda.jit  # type: ignore[untyped-decorator]
    def find(words: Any, starts: Any, high: Any, low: Any, asked_high: Any, asked_low: Any, places: Any) -> None:
        i = cuda.grid(1)
        if i >= asked_high.shape[0]:
            return
        one, two = asked_high[i], asked_low[i]
        mask = (
            (_ONE << (two & _MASK6)) | (_ONE << ((two >> np.uint64(6)) & _MASK6))
            | (_ONE << ((two >> np.uint64(12)) & _MASK6)) | (_ONE << ((two >> np.uint64(18)) & _MASK6))
        )  # fmt: skip
        places[i] = -1
        if words[((two >> _U32) * np.uint64(words.shape[0])) >> _U32] & mask != mask:
            return
        bucket = (one >> _U32) * np.uint64(starts.shape[0] - 1) >> _U32
        n = high.shape[0]
        # What a damaged file may say of buckets stays within the table.
        for at in range(min(np.int64(starts[bucket]), n), min(np.int64(starts[bucket + _ONE]), n)):
            if high[at] == one and low[at] == two:
                places[i] = at
                return

    return find


class DeviceTable:
    """A table in a GPU's memory. Raises ``Unavailable`` where there is none."""

    def __init__(self, table: IndicatorTable) -> None:
        from numba import cuda

        if not cuda.is_available():
            raise Unavailable("a GPU", "no CUDA device is there")
        self._arrays = [cuda.to_device(array) for array in (table.words, table.starts, table.high, table.low)]
        self._cuda = cuda
        self._find = _kernel()

    def send(self, asked: Digests) -> tuple[Any, Any, Any]:
        """Copy what is asked for there, with room for the answer."""
        return (
            self._cuda.to_device(asked.high),
            self._cuda.to_device(asked.low),
            self._cuda.device_array(len(asked), np.int64),
        )

    def look_up(self, sent: tuple[Any, Any, Any]) -> None:
        """Answer what was sent, and wait for it."""
        self._find[max(1, -(-len(sent[0]) // _THREADS)), _THREADS](*self._arrays, *sent)
        self._cuda.synchronize()

    def find(self, asked: Digests) -> NDArray[np.int64]:
        """Where each stands first, -1 where it does not."""
        if not len(asked):
            return np.empty(0, np.int64)
        sent = self.send(asked)
        self.look_up(sent)
        places: NDArray[np.int64] = sent[2].copy_to_host()
        return places
