"""Work in separate processes: compiling kernels, solving problems exactly, Q#, and other CPU-bound work."""

from phalanx.adapters.processes._exact import ExactAnswer, solve_exactly
from phalanx.adapters.processes._kernels import (
    KERNELS,
    KernelProcess,
    compile_kernels,
    keep_user_kernels,
    missing_kernels,
)
from phalanx.adapters.processes._offload import ProcessOffload
from phalanx.adapters.processes._qsharp import compile_qsharp

__all__ = [
    "ExactAnswer",
    "KERNELS",
    "KernelProcess",
    "ProcessOffload",
    "compile_kernels",
    "compile_qsharp",
    "keep_user_kernels",
    "missing_kernels",
    "solve_exactly",
]
