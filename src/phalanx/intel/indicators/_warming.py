"""Compiling or loading the kernels of this package ahead of need."""

import numpy as np

from phalanx.intel.indicators._table import Arithmetic, build_table


def warm_indicators() -> None:
    """Build a small table and look into it: some seconds the first time on a machine, then a fraction of one."""
    arithmetic = Arithmetic(compiled=True)
    digests = arithmetic.digests([b"one", b"another one"], bytes(16))
    table = build_table(digests, np.arange(2, dtype=np.uint32), arithmetic)
    assert table.notes[table.find(digests, arithmetic)].tolist() == [0, 1]
