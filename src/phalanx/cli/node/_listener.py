"""The HTTP server as a node runs it: without signal handling of its own, and with our TLS."""

import asyncio
import contextlib
import functools
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import uvicorn

    from phalanx.cli.node._tls import ListenerTls

# Live-update streams are open for as long as a browser looks; they are cut after this.
_GRACE_S = 2
# Connections that wait to be taken.
BACKLOG = 2048


def http_listener(app: Callable[..., Any], tls: "ListenerTls | None") -> "uvicorn.Server":
    """A server for ``app``; give it the listening socket with ``serve(sockets=[…])``."""
    import uvicorn

    class Listener(uvicorn.Server):
        """Leaves signals to us: uvicorn would raise them again before the node has drained."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            # Without sockets: uvicorn would open them without bounds on a TLS handshake.
            await super().startup(sockets=[])
            self.servers = [await self._listen(one) for one in sockets or ()]

        async def _listen(self, listening: socket.socket) -> Any:
            kind: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
            make = functools.partial(
                kind, config=self.config, server_state=self.server_state, app_state=self.lifespan.state
            )
            loop = asyncio.get_running_loop()
            if tls is None:
                return await loop.create_server(make, sock=listening, backlog=BACKLOG)
            from phalanx.adapters.tls import TLS_GOODBYE_S, TLS_HANDSHAKE_S

            return await loop.create_server(
                make,
                sock=listening,
                backlog=BACKLOG,
                ssl=tls.context,
                ssl_handshake_timeout=TLS_HANDSHAKE_S,
                ssl_shutdown_timeout=TLS_GOODBYE_S,
            )

    return Listener(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=_GRACE_S,
        )
    )
