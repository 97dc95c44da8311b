"""Summaries of measured times, and child processes measured from outside."""

import asyncio
import contextlib
import gc
import os
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, BinaryIO

import urllib3

from phalanx.adapters import settle_garbage
from phalanx.core import NS_PER_MS, Unavailable

_READY_WITHIN_S = 60.0
_MAX_CONNECTIONS = 16


def quantile(values: Sequence[float], q: float) -> float:
    """The q-quantile by nearest rank: always a value that was measured."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


@contextlib.contextmanager
def settled_in() -> Iterator[None]:
    """Garbage is looked for as in a node once everybody has a place."""
    usual = gc.get_threshold()
    settle_garbage()
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


def elapsed_ms(since_ns: int) -> float:
    return (time.perf_counter_ns() - since_ns) / NS_PER_MS


def flushed_ms(file: BinaryIO) -> float:
    """What the disk takes to have four kilobytes more on it."""
    begun_ns = time.perf_counter_ns()
    file.write(bytes(4_096))
    file.flush()
    os.fdatasync(file.fileno())
    return elapsed_ms(begun_ns)


@contextlib.contextmanager
def bytecode_kept() -> Iterator[None]:
    """Processes started meanwhile find bytecode of what ran before, as those of an installation do.

    An environment may forbid to write it, and then every start compiles every module anew.
    """
    before = {name: os.environ.get(name) for name in ("PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE")}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


async def run_ms(*command: str) -> float:
    """Wall time of a whole process, from start to exit."""
    started_ns = time.perf_counter_ns()
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    if await process.wait():
        raise Unavailable(" ".join(command), f"it exited with {process.returncode}")
    return elapsed_ms(started_ns)


async def repeated(times: int, measure: Callable[[], Awaitable[float]]) -> list[float]:
    """Run ``measure`` (a coroutine function giving milliseconds) one time more, dropping the first."""
    return [await measure() for _ in range(times + 1)][1:]


def cpu_s(pid: int) -> float:
    """CPU time a process has used so far, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def answer_of(pipe: Connection) -> Any:
    """What a child process says next. Raises ``Unavailable`` when it is gone."""
    try:
        return pipe.recv()
    except EOFError as error:
        raise Unavailable("a process of the benchmark", "it ended before it answered") from error


@dataclass(frozen=True, slots=True)
class RunningNode:
    """A node in a process of its own, as a client sees it."""

    url: str
    http: urllib3.PoolManager
    pid: int
    ready_ms: float

    async def get(self, path: str) -> str:
        """The body of a page; raises unless the node answers 200."""
        answer = await asyncio.to_thread(self.http.request, "GET", self.url + path)
        if answer.status != 200:
            raise Unavailable(path, f"HTTP {answer.status}")
        return answer.data.decode()

    async def post(self, path: str, body: bytes) -> urllib3.BaseHTTPResponse:
        headers = {**self.http.headers, "Content-Type": "application/x-ndjson"}
        return await asyncio.to_thread(self.http.request, "POST", self.url + path, body=body, headers=headers)

    def rss_mib(self) -> float:
        """Resident memory of the node's process now."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        return int(found.group(1)) / 1024 if found else 0.0

    def cpu_s(self) -> float:
        """CPU time the node's process has used so far, all threads."""
        return cpu_s(self.pid)


@contextlib.asynccontextmanager
async def running_node(data_dir: Path, *settings: str) -> AsyncIterator[RunningNode]:
    """Start ``phalanx up`` on ``data_dir`` and stop it at the end. Ready means /readyz says so."""
    flags = [part for setting in settings for part in ("--set", setting)]
    started_ns = time.perf_counter_ns()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "phalanx", "up", "--port", "0", "--data-dir", str(data_dir),
        "--set", "log.level=error", *flags, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        url, token = await asyncio.wait_for(_address(process), _READY_WITHIN_S)
        http = urllib3.PoolManager(
            headers={"Authorization": f"Bearer {token}"},
            maxsize=_MAX_CONNECTIONS,
            timeout=_READY_WITHIN_S,
            retries=False,
        )
        with http:
            node = RunningNode(url, http, process.pid, 0.0)
            await node.get("/readyz")
            drain = asyncio.create_task(_drain(process))
            yield replace(node, ready_ms=elapsed_ms(started_ns))
            drain.cancel()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _address(process: asyncio.subprocess.Process) -> tuple[str, str]:
    assert process.stderr is not None
    url = token = ""
    seen = ""
    while not (url and token):
        line = (await process.stderr.readline()).decode()
        if not line:
            raise Unavailable("phalanx up", f"it stopped at once: {seen.strip()[-300:]}")
        seen += line
        if line.startswith("API "):
            url = line.split()[1].removesuffix("/v1")
        if "PHALANX_TOKEN=" in line:
            token = line.partition("=")[2].strip()
    return url, token


async def _drain(process: asyncio.subprocess.Process) -> None:
    assert process.stderr is not None
    while await process.stderr.readline():
        continue
