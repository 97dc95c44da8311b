"""Which kernels a calculation uses: the compiled ones, or for a while plain ones that do not need a compiler.

Whoever must not stand still while kernels are compiled calculates inside ``plainly()``. The choice belongs to the
calculation, not to the process: two may go on at once, one in a test or a thread beside the other.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_plain = ContextVar("plain", default=False)


@contextmanager
def plainly() -> Iterator[None]:
    """Calculate without compiled kernels: for a thousand operations as fast, for many slower and less exact.

    Bounds hold as always. Only ``prices``, ``earliest`` and plans of a beat can do without a compiler.
    """
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


def is_plain() -> bool:
    return _plain.get()


def kernels(which: str) -> Any:
    """The module ``_kernels_<which>``, or its plain forms under the same names."""
    return importlib.import_module(f"phalanx.balancing._kernels_{'plain' if _plain.get() else which}")
