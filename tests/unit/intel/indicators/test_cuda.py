"""The look-up of a GPU, by numba's simulator in a process of its own: what it finds is what the others find."""

import os
import subprocess
import sys

import pytest

CHECK = """
import numpy as np
from phalanx.intel.indicators._cuda import DeviceTable
from phalanx.intel.indicators._table import Arithmetic, Digests, build_table

plain, rng = Arithmetic(compiled=False), np.random.default_rng(4)
for n in (1, 300):
    digests = Digests(rng.integers(0, 1 << 64, n, np.uint64), rng.integers(0, 1 << 64, n, np.uint64))
    others = Digests(rng.integers(0, 1 << 64, 150, np.uint64), rng.integers(0, 1 << 64, 150, np.uint64))
    asked = Digests(
        np.concatenate([digests.high[:80], others.high, digests.high[:5]]),
        np.concatenate([digests.low[:80], others.low, digests.low[:5] ^ np.uint64(1 << 63)]),
    )
    table = build_table(digests, np.arange(n, dtype=np.uint32), plain)
    found = DeviceTable(table).find(asked)
    assert found.tolist() == table.find(asked, plain).tolist()
    assert (found >= 0).sum() == min(n, 80)
    table.starts[:] = 4_000_000_000
    assert (DeviceTable(table).find(asked) == -1).all()
print("same")
"""


@pytest.mark.requirement("INT-2")
def test_a_gpu_finds_what_others_find():
    done = subprocess.run(
        [sys.executable, "-c", CHECK], env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "same", done.stderr[-2_000:]
