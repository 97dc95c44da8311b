"""How numeric kernels are compiled, and where the machine code is stored.

Kernels are free functions over arrays, in modules called ``_kernels…`` that only functions import: loading numba
takes a fifth of a second, loading what it compiled before as long again, and compiling seconds for each kernel,
during which numba holds the interpreter's lock. So anything that must not stand still has them compiled in another
process first (``KernelCompiler``).

Compiled code is stored beside the package if that is writable, else in the folder that ``keep_kernels_in`` names.
The folder holds code: nobody else may be able to write to it. Without one, numba looks in the user's cache folder,
and compiles again in every process where there is none. numba's own ``NUMBA_CACHE_DIR`` takes precedence over all
of this.

``fast_kernel`` lets the compiler reorder sums, but never assume that nothing is infinite.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_REORDERED = frozenset({"reassoc", "contract", "nsz"})
_PACKAGE = Path(__file__).resolve().parents[1]

_fallback: Path | None = None


def keep_kernels_in(folder: Path) -> None:
    """Name the private folder for compiled code where the package's own cannot be written; before the first kernel."""
    global _fallback
    _fallback = folder


def kernel_folder() -> Path | None:
    """Where compiled code is kept; none where that is left to numba."""
    return _PACKAGE / "__pycache__" / "kernels" if os.access(_PACKAGE, os.W_OK) else _fallback


def kernel(function: F) -> F:
    """Compile ``function`` on first use, as it stands. It gives the interpreter's lock away while it runs."""
    return _compiled(function, fast=False)


def fast_kernel(function: F) -> F:
    """The same, letting the compiler reorder sums."""
    return _compiled(function, fast=True)


def _compiled(function: F, *, fast: bool) -> F:
    import numba

    options: dict[str, Any] = {"error_model": "numpy", "fastmath": set(_REORDERED) if fast else False, "nogil": True}
    folder = kernel_folder()
    if folder is not None and not numba.config.CACHE_DIR:
        numba.config.CACHE_DIR = str(folder)
    try:
        made: F = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # numba's way of saying that there is no folder it may write to
        return numba.njit(**options)(function)  # type: ignore[no-any-return]
    return made
