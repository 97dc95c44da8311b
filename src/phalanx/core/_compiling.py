"""How numeric kernels are compiled, and where the machine code is kept.

Kernels are free functions over arrays, in modules called ``_kernels…`` that only functions
import: loading numba takes half a second. numba keeps what it compiled beside the source, or in
the user's cache folder where that cannot be written to. Where neither can, a kernel is compiled
anew in every process, unless ``keep_kernels_in`` named a private folder: the cache holds code,
so it must be a folder that nobody else can write to.

``fast_kernel`` lets the compiler reorder sums, never assume that nothing is infinite.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_REORDERED = frozenset({"reassoc", "contract", "nsz"})

_fallback: Path | None = None


def keep_kernels_in(folder: Path) -> None:
    """Name the private folder for compiled code in case numba finds no other; before the first kernel is used."""
    global _fallback
    _fallback = folder


def kernel(function: F) -> F:
    """Compile ``function`` on first use, as it stands. It gives the interpreter's lock away while it runs."""
    return _compiled(function, fast=False)


def fast_kernel(function: F) -> F:
    """The same, letting the compiler reorder sums."""
    return _compiled(function, fast=True)


def _compiled(function: F, *, fast: bool) -> F:
    import numba

    options: dict[str, Any] = {"error_model": "numpy", "fastmath": set(_REORDERED) if fast else False, "nogil": True}
    try:
        made: F = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # numba's way of saying that there is no folder it may write to
        if _fallback is None:
            return numba.njit(**options)(function)  # type: ignore[no-any-return]
        numba.config.CACHE_DIR = str(_fallback)
        made = numba.njit(cache=True, **options)(function)
    return made
