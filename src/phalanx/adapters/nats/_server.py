"""A NATS server of our own: the binary that the extra ``cluster`` brings, as a child process.

It is started, started again when it dies, told of new users without a stop, and stopped with
its owner; what it logs is logged here. A server that an owner left behind, killed without a
chance to stop it, is ended at the next start. The port is kept over restarts: others were
told of it.
"""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from phalanx.adapters._limits import (
    MAX_NATS_LOG_LINE_BYTES,
    NATS_SERVER_PAUSE_MAX_S,
    NATS_SERVER_PAUSE_S,
    NATS_SERVER_READY_S,
    NATS_SERVER_STOP_S,
)
from phalanx.adapters.nats._client import NATS_EXTRA_HINT
from phalanx.adapters.nats._config import NatsServerPlan
from phalanx.adapters.storage._folders import make_folder
from phalanx.core import Clock, Unavailable
from phalanx.telemetry import Telemetry

if TYPE_CHECKING:
    from asyncio.subprocess import Process

_LINE = re.compile(r"\[\d+\] \[(?P<level>[A-Z]{3})\] ?(?P<text>.*)")
_TROUBLE = frozenset({"ERR", "FTL", "WRN"})
_CONFIG = "nats.conf"
_LISTENING = "Listening for client connections on "
_READY = "Server is ready"
_RELOADED = "Reloaded server configuration"
_NOT_RELOADED = "Failed to reload server configuration"


def log_line(line: str) -> tuple[str, str]:
    """Level and text of a line of the server's log; what is none of its lines is a warning."""
    match = _LINE.fullmatch(line.rstrip())
    return (match["level"], match["text"].strip()) if match else ("WRN", line.strip())


def find_nats_server() -> Path:
    """The server's binary, of the extra or of the machine. Raises ``Unavailable``."""
    ours = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = str(ours) if ours.is_file() else shutil.which("nats-server")
    if found is None:
        raise Unavailable("the NATS server", "nats-server is not installed", hint=NATS_EXTRA_HINT)
    return Path(found)


def nats_server_version() -> str:
    """What the server's binary says of itself, and where it is. Raises ``Unavailable``."""
    binary = find_nats_server()
    try:
        said = subprocess.run(  # noqa: S603 - the binary that the extra brings
            [binary, "--version"], capture_output=True, text=True, timeout=NATS_SERVER_READY_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable("the NATS server", str(error), hint=NATS_EXTRA_HINT) from error
    return f"{said.stdout.strip().removeprefix('nats-server: ')} at {binary}"


class NatsServer:
    """A server that runs. Made by ``start``; ``watch`` is to run for as long as it is wanted."""

    def __init__(self, plan: NatsServerPlan, *, clock: Clock, telemetry: Telemetry) -> None:
        self._plan = plan
        self._clock = clock
        self._log = telemetry.log.bind(room="adapters", service="nats-server")
        self._starts = telemetry.metrics.counter("phalanx_nats_server_starts_total", "Starts of the NATS server.")
        self._process: Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._last_trouble = ""
        self._stopping = False
        self._changing = asyncio.Lock()
        self._reloaded: asyncio.Future[None] | None = None
        self.port = 0

    @classmethod
    async def start(cls, plan: NatsServerPlan, *, clock: Clock, telemetry: Telemetry) -> "NatsServer":
        """A server that takes connections. Raises ``Unavailable`` with what it said when it does not come up."""
        server = cls(plan, clock=clock, telemetry=telemetry)
        make_folder(plan.folder)
        await server._end_orphan()
        server.port = plan.port or server._kept_port()
        await server._launch()
        return server

    @property
    def url(self) -> str:
        """Where a process on this machine reaches it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._plan.host, self._plan.host)  # noqa: S104 - compared
        shown = f"[{host}]" if ":" in host else host
        return f"{'tls' if self._plan.tls_files else 'nats'}://{shown}:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def watch(self) -> None:
        """Start it again whenever it dies, after a pause that grows while it keeps dying."""
        pause_s = NATS_SERVER_PAUSE_S
        while True:
            assert self._process is not None
            code = await self._process.wait()
            if self._stopping:
                return
            self._log.error("the NATS server ended and is started again", status=code, said=self._last_trouble)
            while True:
                await self._clock.sleep(pause_s)
                pause_s = min(2 * pause_s, NATS_SERVER_PAUSE_MAX_S)
                try:
                    await self._launch()
                except Unavailable as error:
                    self._log.error("the NATS server does not start", error=error.reason)
                else:
                    pause_s = NATS_SERVER_PAUSE_S
                    break

    async def set_users(self, plan: NatsServerPlan) -> None:
        """Have a changed plan's users let in; those who are gone from it are cut off. Returns once it is so.

        Raises ``Unavailable`` when the server does not take it; one that is down has it when it is up again.
        """
        async with self._changing:
            self._plan = plan
            self._write_config()
            if not self.is_running:
                return
            self._reloaded = asyncio.get_running_loop().create_future()
            os.kill(self.pid, signal.SIGHUP)
            try:
                async with asyncio.timeout(NATS_SERVER_READY_S):
                    await self._reloaded
            except TimeoutError:
                raise Unavailable("the NATS server", "it does not read its users anew") from None
            finally:
                self._reloaded = None

    async def stop(self) -> None:
        self._stopping = True
        await self._end()

    async def _launch(self) -> None:
        await self._end()
        self._last_trouble = ""
        self._write_config()
        try:
            self._process = await asyncio.create_subprocess_exec(
                find_nats_server(), "-c", self._plan.folder / _CONFIG,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE, limit=MAX_NATS_LOG_LINE_BYTES,
                start_new_session=True,  # a Ctrl-C on the terminal is the owner's, who stops it in order
            )  # fmt: skip
        except OSError as error:
            raise Unavailable("the NATS server", error.strerror or str(error)) from error
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reader = asyncio.create_task(self._read_log(self._process, ready))
        try:
            async with asyncio.timeout(NATS_SERVER_READY_S):
                await ready
        except TimeoutError:
            await self._end()
            raise Unavailable("the NATS server", f"it was not ready within {NATS_SERVER_READY_S:g} s") from None
        except BaseException:
            await self._end()
            raise
        self._starts.inc()
        self._keep_port()
        (self._plan.folder / "pid").write_text(str(self._process.pid))

    async def _read_log(self, process: "Process", ready: "asyncio.Future[None]") -> None:
        assert process.stderr is not None
        while True:
            try:
                line = await process.stderr.readline()
            except ValueError:
                continue  # longer than the bound: it is skipped
            if not line:
                break
            level, text = log_line(line.decode(errors="replace"))
            if level in _TROUBLE:
                self._last_trouble = text
                self._log.warning("NATS server", said=text)
            elif text:
                self._log.debug("NATS server", said=text)
            if text.startswith(_LISTENING) and not self.port:
                self.port = int(text.rpartition(":")[2])
            if text == _READY and not ready.done():
                ready.set_result(None)
            self._note_reload(text)
        # Who starts it again starts it with the users that are wanted by then.
        self._note_reload(_RELOADED)
        if not ready.done():
            said = self._last_trouble or "it ended at once"
            hint = "choose another with cluster.port" if "address already in use" in said else ""
            ready.set_exception(Unavailable("the NATS server", said, hint=hint))
            ready.exception()  # whoever waits may have given up

    def _note_reload(self, text: str) -> None:
        waiting = self._reloaded
        if waiting is None or waiting.done():
            return
        if text.startswith(_RELOADED):
            waiting.set_result(None)
        elif text.startswith(_NOT_RELOADED):
            waiting.set_exception(Unavailable("the NATS server", text))

    async def _end(self) -> None:
        process = self._process
        if process is not None:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
                try:
                    async with asyncio.timeout(NATS_SERVER_STOP_S):
                        await process.wait()
                except TimeoutError:
                    process.kill()
                    await process.wait()
            (self._plan.folder / "pid").unlink(missing_ok=True)
        if self._reader is not None:
            await asyncio.gather(self._reader, return_exceptions=True)

    def _write_config(self) -> None:
        draft = self._plan.folder / f"{_CONFIG}.new"
        draft.write_text(self._plan.text(self.port))
        draft.replace(self._plan.folder / _CONFIG)

    def _kept_port(self) -> int:
        try:
            return int((self._plan.folder / "port").read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def _keep_port(self) -> None:
        """A port that was free once is ours from now on."""
        (self._plan.folder / "port").write_text(str(self.port))

    async def _end_orphan(self) -> None:
        """End the server that an owner left behind; only one that runs from this very folder."""
        try:
            pid = int((self._plan.folder / "pid").read_text())
        except (FileNotFoundError, ValueError):
            return
        ending = b"\0-c\0" + str(self._plan.folder / _CONFIG).encode() + b"\0"
        waited_s = 0.0
        while _command_of(pid).endswith(ending) and waited_s < NATS_SERVER_STOP_S:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            await self._clock.sleep(NATS_SERVER_PAUSE_S)
            waited_s += NATS_SERVER_PAUSE_S


def _command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
