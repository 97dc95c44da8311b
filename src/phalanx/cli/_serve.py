"""Runs a node with its HTTP listener until it is told to stop."""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from phalanx.cli._ask import ask_person
from phalanx.core import Unavailable

if TYPE_CHECKING:
    from phalanx.node import Node, Settings
    from phalanx.telemetry import LogSink

# Live-update streams are open for as long as a browser looks; they are cut after this.
_GRACE_S = 2
# Connections that wait to be taken.
_BACKLOG = 2048

Background = Callable[["Node"], Coroutine[None, None, None]]


async def serve(
    settings: "Settings",
    *,
    on_ready: Callable[["Node", str], Awaitable[None]],
    background: Background | None = None,
    host_names: Mapping[str, str] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Start everything, call ``on_ready(node, url)``, run until a signal or ``stop``, then drain.

    The node stops after the listener: what was accepted is durable before the reply, so
    nothing that a client was told is lost however the process ends.
    """
    import uvicorn

    from phalanx.api import create_app
    from phalanx.dashboard import create_pages
    from phalanx.node import build_node, open_ports

    class Listener(uvicorn.Server):
        """Leaves signals to us: uvicorn would raise them again before the node has drained."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    with _bound_socket(settings.api.host, settings.api.port) as listening:
        async with (
            open_ports(settings, ask=ask_person) as ports,
            build_node(settings, ports, log_sink=_log_sink(settings), host_names=host_names) as node,
        ):
            app = create_app(node, pages=create_pages(node))
            listener = Listener(
                uvicorn.Config(
                    app,
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    lifespan="off",
                    timeout_graceful_shutdown=_GRACE_S,
                )
            )
            loop, main = asyncio.get_running_loop(), asyncio.current_task()
            assert main is not None
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, stop_or_hurry, listener, main)
            async with asyncio.TaskGroup() as group:
                serving = group.create_task(listener.serve(sockets=[listening]))
                await on_ready(node, _address(listening))
                side = [group.create_task(background(node))] if background else []
                if stop is not None:
                    side.append(group.create_task(_stop_on(stop, listener)))
                await serving
                for task in side:
                    task.cancel()


class Stoppable(Protocol):
    """The little of a uvicorn server that stopping needs."""

    should_exit: bool


def stop_or_hurry(listener: Stoppable, main: "asyncio.Task[Any]") -> None:
    """On a signal: the first stops the listener and lets the node drain, the next ends the draining."""
    if listener.should_exit:
        main.cancel()
    listener.should_exit = True


async def _stop_on(event: asyncio.Event, listener: Stoppable) -> None:
    await event.wait()
    listener.should_exit = True


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


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
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise Unavailable(
            f"{host}:{port}", error.strerror or str(error), hint="choose another with --port, 0 for any"
        ) from error
    return listening


def run_loop(main: Awaitable[None]) -> None:
    """Run on uvloop where it is there; it carries half as much again per core."""
    try:
        from uvloop import run
    except ImportError:
        from asyncio import run
    try:
        run(main)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
