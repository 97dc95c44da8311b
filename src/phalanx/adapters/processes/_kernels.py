"""Compiles numeric kernels in a child process, once on a machine for each version of the code.

What is there is told by a mark beside the compiled code, without loading a compiler. The mark's name follows from
everything that the compiled code depends on: the sources, the versions of Python and of the compiler, the machine.
"""

import asyncio
import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path

import phalanx
from phalanx.adapters._limits import COMPILE_WITHIN_S
from phalanx.core import Unavailable, keep_kernels_in, kernel_folder

# Groups of kernels, each with the folder of its sources.
KERNELS = {
    "balancing": "balancing",
    "votes": "consensus/votes",
    "indicators": "intel/indicators",
    "allocation": "allocation",
    "mapping": "quantum/mapping",
    "simulators": "quantum/simulators",
}

Told = Callable[[str, int, int], None]
"""Is told of each piece that is being compiled: its name, its number, and how many there are."""


def keep_user_kernels() -> None:
    """Keep compiled code in this user's cache folder, where the package's own cannot be written."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    try:
        keep_kernels_in((Path(named) if named else Path.home() / ".cache") / "phalanx" / "kernels")
    except RuntimeError:
        return  # A user without a home keeps nothing.


def missing_kernels(groups: Iterable[str] = KERNELS) -> list[str]:
    """Which groups are not compiled yet for the code as it is."""
    return [group for group in groups if (mark := kernel_mark(group)) is None or not mark.exists()]


def kernel_mark(group: str) -> Path | None:
    """The file that says that a group is compiled; none where there is no folder for it."""
    folder = kernel_folder()
    if folder is None:
        return None
    seen = [sys.version, version("numba"), version("llvmlite"), version("numpy"), platform.machine(), platform.node()]
    for source in sorted((Path(phalanx.__file__).parent / KERNELS[group]).glob("*.py")):
        stat = source.stat()
        seen.append(f"{source} {stat.st_size} {stat.st_mtime_ns}")
    return folder / f"{group}-{hashlib.sha256(chr(10).join(seen).encode()).hexdigest()[:24]}.compiled"


def compile_kernels(groups: Iterable[str], told: Told) -> None:
    """Compile what is missing of ``groups``, now. Raises ``Unavailable`` where that fails."""
    wanted = missing_kernels(groups)
    if not wanted:
        return
    # What goes wrong is on standard error, and standard output is read to its end: neither can block the other.
    child = subprocess.Popen(_command(wanted, gently=False), stdout=subprocess.PIPE, stderr=None, text=True)  # noqa: S603 - our own module
    assert child.stdout is not None
    try:
        with child.stdout:
            for line in child.stdout:
                number, count, name = line.rstrip("\n").split(" ", 2)
                told(name, int(number), int(count))
        code = child.wait()
    except BaseException:
        child.kill()
        child.wait()
        raise
    if code:
        raise Unavailable("the kernel compiler", f"it ended with status {code}")


class KernelProcess:
    """The port: a child of the lowest priority compiles what is missing, one at a time."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def compile(self, *groups: str) -> None:
        async with self._turn:
            missing = missing_kernels(groups)
            if missing:
                await self._compile(missing)

    async def _compile(self, missing: list[str]) -> None:
        if kernel_folder() is None:
            raise Unavailable("compiling ahead", "there is no folder to keep compiled code in")
        try:
            child = await asyncio.create_subprocess_exec(
                *_command(missing, gently=True), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
        except OSError as error:
            raise Unavailable("the kernel compiler", f"it cannot be started: {error.strerror}") from error
        try:
            async with asyncio.timeout(COMPILE_WITHIN_S):
                _, said = await child.communicate()
        except TimeoutError as error:
            raise Unavailable("the kernel compiler", f"it was not done within {COMPILE_WITHIN_S:g} s") from error
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        if child.returncode:
            raise Unavailable("the kernel compiler", said.decode(errors="replace").strip()[-300:] or "it failed")


def _command(groups: list[str], *, gently: bool) -> list[str]:
    folder = kernel_folder()
    command = [
        sys.executable,
        "-m",
        "phalanx.adapters.processes._kernels_child",
        "--folder",
        str(folder or ""),
        *groups,
    ]
    return [*command, "--gently"] if gently else command
