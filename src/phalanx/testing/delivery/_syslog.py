"""A syslog server over TLS or TCP, a message a line; ``trouble`` cuts the next connections."""

import contextlib
import socket
import ssl
import threading
from collections import deque
from types import TracebackType
from typing import Self


class SyslogPeer:
    """Keeps the lines that arrived whole. ``trouble``: ``silent`` ends the next connection at once."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.lines: list[str] = []
        self.trouble: deque[str] = deque()
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def kept(self) -> list[str]:
        """The ids of what arrived."""
        return [dict(part.partition("=")[::2] for part in line.split("\t"))["externalId"] for line in self.lines]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        self._thread.join()

    def cut(self) -> None:
        """End every connection that is open."""
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = self._listener.accept()
                threading.Thread(target=self._read, args=(line,), daemon=True).start()

    def _read(self, plain: socket.socket) -> None:
        if self.trouble:
            self.trouble.popleft()
            plain.close()
            return
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.enter_context(plain)
            line = plain
            if self._tls is not None:
                line = stack.enter_context(self._tls.wrap_socket(plain, server_side=True))
            self._open.add(line)
            stack.callback(self._open.discard, line)
            rest = b""
            while data := line.recv(65_536):
                *whole, rest = (rest + data).split(b"\n")
                self.lines += [one.decode() for one in whole]
