"""Runs a node with its HTTP listener until it is told to stop."""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from phalanx.cli._ask import ask_founder, ask_person
from phalanx.cli.node._listener import BACKLOG, http_listener
from phalanx.core import Unavailable

if TYPE_CHECKING:
    from phalanx.node import Node, Settings
    from phalanx.telemetry import LogSink

Background = Callable[["Node"], Coroutine[None, None, None]]


async def serve(
    settings: "Settings",
    *,
    on_ready: Callable[["Node", str], Awaitable[None]],
    background: Background | None = None,
    host_names: Mapping[str, str] | None = None,
    stop: asyncio.Event | None = None,
    log_sink: "LogSink | None" = None,
) -> None:
    """Start everything, call ``on_ready(node, url)``, run until a signal or ``stop``, then drain.

    The node stops after the listener: what was accepted is durable before the reply, so nothing that a client was
    told is lost, however the process ends.
    """
    from phalanx.api import create_app
    from phalanx.cli.node._tls import listener_tls
    from phalanx.dashboard import create_pages
    from phalanx.node import build_node, open_ports

    is_new = not settings.node.data_dir.exists()
    with _bound_socket(settings.api.host, settings.api.port) as listening:
        async with (
            open_ports(settings, ask=ask_founder if is_new else ask_person) as ports,
            build_node(settings, ports, log_sink=log_sink or _log_sink(settings), host_names=host_names) as node,
        ):
            tls = listener_tls(settings)
            app = create_app(node, pages=create_pages(node))
            if tls is not None:
                tls.count_in(node.telemetry)
            listener = http_listener(app, tls)
            loop, main = asyncio.get_running_loop(), asyncio.current_task()
            assert main is not None
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, stop_or_hurry, listener, main)
            async with asyncio.TaskGroup() as group:
                serving = group.create_task(listener.serve(sockets=[listening]))
                await on_ready(node, _address(listening, secure=tls is not None))
                side = [group.create_task(_settled_in(node))]
                if background:
                    side.append(group.create_task(background(node)))
                if stop is not None:
                    side.append(group.create_task(_stop_on(stop, listener)))
                await serving
                for task in side:
                    task.cancel()


def stopped_by_signals() -> asyncio.Event:
    """Set by the first SIGTERM or Ctrl-C."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


class Stoppable(Protocol):
    """The part of a uvicorn server that stopping needs."""

    should_exit: bool


def stop_or_hurry(listener: Stoppable, main: "asyncio.Task[Any]") -> None:
    """On a signal: the first stops the listener and lets the node drain, the next ends the draining."""
    if listener.should_exit:
        main.cancel()
    listener.should_exit = True


async def _settled_in(node: "Node") -> None:
    """Turns garbage collection back on once everything is set up."""
    from phalanx.adapters import settle_garbage

    try:
        await node.swarm.complete()
    finally:
        gc.enable()
    settle_garbage()


async def _stop_on(event: asyncio.Event, listener: Stoppable) -> None:
    await event.wait()
    listener.should_exit = True


def _address(listening: socket.socket, *, secure: bool) -> str:
    host, port = listening.getsockname()[:2]
    scheme = "https" if secure else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _log_sink(settings: "Settings") -> "LogSink":
    from phalanx.telemetry import HumanSink, JsonSink

    on_terminal = sys.stderr.isatty()
    human = settings.log.format == "human" or (settings.log.format == "auto" and on_terminal)
    return HumanSink(sys.stderr, color=on_terminal) if human else JsonSink(sys.stderr)


def _bound_socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        # Already here: who reads the address we print finds it open, and a port that is taken
        # is found out before anything else is started.
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise Unavailable(
            f"{host}:{port}", error.strerror or str(error), hint="choose another with --port, 0 for any"
        ) from error
    return listening


def run_loop(main: Awaitable[None]) -> None:
    """Run on uvloop if it is installed; it handles half as much again per core."""
    try:
        from uvloop import run
    except ImportError:
        from asyncio import run
    try:
        run(main)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
