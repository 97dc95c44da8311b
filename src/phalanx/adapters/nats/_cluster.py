"""The NATS side of a node's cluster: its own server or another's, who may use it, and a connection for each path.

What stays over restarts lies in one folder: the node's own key, the public keys of those who were
invited, the server's certificate, its port. Seeds of invited keys are handed out and not kept.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from phalanx.adapters._limits import MAX_NATS_USERS
from phalanx.adapters.keys._keyfile import load_or_create
from phalanx.adapters.nats._client import NatsAccess, trusting_only
from phalanx.adapters.nats._config import INBOX_SUBJECT, NatsServerPlan
from phalanx.adapters.nats._nkey import Nkey
from phalanx.adapters.nats._server import NatsServer
from phalanx.adapters.nats._transport import NatsTransport
from phalanx.adapters.nats._work import NatsCrewLine, Workers
from phalanx.adapters.tls._files import self_signed_files
from phalanx.core import Clock, EntropySource, InvalidInput, LimitExceeded, NotFound, Rng, StorageCorrupt, Transport
from phalanx.telemetry import Telemetry

PATHS = ("primary", "backup")


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """How somebody gets to a server: its addresses, the certificates to trust (PEM), and a key's seed."""

    urls: tuple[str, ...]
    ca: str = ""
    seed: str = field(default="", repr=False)

    def nats(self, *, pinned: bool = False) -> NatsAccess:
        tls = trusting_only(self.ca, pinned=pinned) if self.ca else None
        return NatsAccess(self.urls, tls, Nkey.from_seed(self.seed) if self.seed else None)

    def worker(self, name: str) -> NatsAccess:
        """As ``nats``, for the worker of that name: answers come in where it may hear."""
        return replace(self.nats(), inbox=f"{INBOX_SUBJECT}.{name}")


@dataclass(frozen=True, slots=True)
class ServePlan:
    """A server of our own: where it listens, what others are told of that, and its certificate, if not its own."""

    host: str = "127.0.0.1"
    port: int = 0
    advertise: tuple[str, ...] = ()
    tls_files: tuple[Path, Path] | None = None


class NatsCluster:
    """Either serves (``ServePlan``) or joins (``ClusterAccess``). ``open`` once, ``close`` at the end."""

    def __init__(
        self, folder: Path, plan: ServePlan | ClusterAccess, *, clock: Clock, rng: Rng, entropy: EntropySource
    ) -> None:
        self._folder = folder
        self._plan = plan
        self._clock, self._rng, self._entropy = clock, rng, entropy
        self._server: NatsServer | None = None
        self._watch: asyncio.Task[None] | None = None
        self._users: dict[str, str] = {}
        self._workers: dict[str, str] = {}
        self._access: NatsAccess | None = None
        self._is_up = asyncio.Event()
        self._own_public = ""
        self._transports: list[NatsTransport] = []
        self._tls_files: tuple[Path, Path] | None = None

    async def open(
        self, address: str, telemetry: Telemetry, heard: Callable[[str, bytes], None]
    ) -> Sequence[Transport]:
        """Start the server where it is ours, and take the place ``address`` on every path.

        Raises ``Unavailable`` when our server does not start or another does not let us in. One that is not there
        yet is waited for in the background.
        """
        access = await self._serve(self._plan, telemetry) if isinstance(self._plan, ServePlan) else self._plan.nats()
        for path in PATHS:
            transport = await NatsTransport.open(
                access, address, clock=self._clock, rng=self._rng.child(path), telemetry=telemetry, path=path,
                must_connect=self._server is not None,
            )  # fmt: skip
            transport.listen(heard)
            self._transports.append(transport)
        return tuple(self._transports)

    @property
    def serves(self) -> bool:
        return isinstance(self._plan, ServePlan)

    @property
    def urls(self) -> tuple[str, ...]:
        """Where others find the server."""
        if isinstance(self._plan, ClusterAccess):
            return self._plan.urls
        assert self._server is not None
        return self._plan.advertise or (self._server.url,)

    @property
    def users(self) -> tuple[str, ...]:
        """Who may use our server besides this node."""
        return tuple(sorted(self._users))

    @property
    def workers(self) -> tuple[str, ...]:
        """Who may serve this node as a worker."""
        return tuple(sorted(self._workers))

    def crew_line(self, workers: Workers) -> NatsCrewLine | None:
        """The way to workers, where the server is ours. It comes up once this is open."""
        if not self.serves:
            return None
        return NatsCrewLine(
            self._work_access, workers, clock=self._clock, rng=self._rng.child("workers"), entropy=self._entropy
        )

    def states(self) -> list[tuple[str, bool, str]]:
        """Each path, whether it is connected, and how it is, for a person."""
        return [(path, one.is_connected, one.told) for path, one in zip(PATHS, self._transports, strict=False)]

    def here(self, note: bytes) -> None:
        """Say on every path that we are here."""
        for transport in self._transports:
            transport.here(note)

    async def invite(self, name: str) -> ClusterAccess:
        """A new key for ``name``, let in at once; an earlier one of that name no more. Raises ``InvalidInput``."""
        server, files = self._own_server(), self._tls_files
        if name not in self._users and len(self._users) >= MAX_NATS_USERS:
            raise LimitExceeded("MAX_NATS_USERS", maximum=MAX_NATS_USERS, seen=len(self._users) + 1)
        key = Nkey.generate(self._entropy)
        await self._set_users(server, {**self._users, name: key.public})
        assert files is not None
        return ClusterAccess(self.urls, files[0].read_text(), key.seed)

    async def dismiss(self, name: str) -> None:
        """Cut off whoever was invited under ``name``."""
        server = self._own_server()
        if name not in self._users:
            raise NotFound("user of the cluster's server", name)
        await self._set_users(server, {one: key for one, key in self._users.items() if one != name})

    async def invite_worker(self, name: str) -> ClusterAccess:
        """A key for the worker ``name``, which may do nothing else; an earlier one of that name no more."""
        server, files = self._own_server(), self._tls_files
        if name not in self._workers and len(self._workers) >= MAX_NATS_USERS:
            raise LimitExceeded("MAX_NATS_USERS", maximum=MAX_NATS_USERS, seen=len(self._workers) + 1)
        key = Nkey.generate(self._entropy)
        await self._set_workers(server, {**self._workers, name: key.public})
        assert files is not None
        return ClusterAccess(self.urls, files[0].read_text(), key.seed)

    async def dismiss_worker(self, name: str) -> None:
        """Cut it off."""
        server = self._own_server()
        if name not in self._workers:
            raise NotFound("worker", name)
        await self._set_workers(server, {one: key for one, key in self._workers.items() if one != name})

    async def close(self) -> None:
        for transport in self._transports:
            await transport.close()
        if self._server is not None:
            await self._server.stop()
        if self._watch is not None:
            await asyncio.gather(self._watch, return_exceptions=True)

    async def _serve(self, plan: ServePlan, telemetry: Telemetry) -> NatsAccess:
        self._users, self._workers = self._kept("users.json"), self._kept("workers.json")
        own = Nkey.from_seed(load_or_create(self._folder / "node.nkey", self._new_seed).decode())
        names = [plan.host, *(urlsplit(url).hostname or "" for url in plan.advertise)]
        self._tls_files = plan.tls_files or self_signed_files(self._folder, names)
        self._own_public = own.public
        self._server = await NatsServer.start(self._told(plan), clock=self._clock, telemetry=telemetry)
        self._watch = asyncio.create_task(self._server.watch(), name="nats-server watch")
        certificate = self._tls_files[0].read_text()
        access = ClusterAccess((self._server.url,), certificate, own.seed).nats(pinned=True)
        self._access = replace(access, inbox=f"{INBOX_SUBJECT}.node")
        self._is_up.set()
        return access

    async def _work_access(self) -> NatsAccess:
        await self._is_up.wait()
        assert self._access is not None
        return self._access

    def _new_seed(self) -> bytes:
        return Nkey.generate(self._entropy).seed.encode()

    def _own_server(self) -> NatsServer:
        if self._server is None:
            raise InvalidInput(
                "cluster.serve", "the server is another's", hint="ask on the node that started it with --cluster"
            )
        return self._server

    async def _set_users(self, server: NatsServer, users: dict[str, str]) -> None:
        self._keep("users.json", users)
        self._users = users
        assert isinstance(self._plan, ServePlan)
        await server.set_users(self._told(self._plan))

    async def _set_workers(self, server: NatsServer, workers: dict[str, str]) -> None:
        self._keep("workers.json", workers)
        self._workers = workers
        assert isinstance(self._plan, ServePlan)
        await server.set_users(self._told(self._plan))

    def _keep(self, name: str, keys: dict[str, str]) -> None:
        draft = self._folder / f"{name}.new"
        draft.write_text(json.dumps(keys, indent=1))
        draft.replace(self._folder / name)

    def _told(self, plan: ServePlan) -> NatsServerPlan:
        return NatsServerPlan(
            self._folder, host=plan.host, port=plan.port, tls_files=self._tls_files,
            users=self._users, owner=self._own_public, workers=self._workers,
        )  # fmt: skip

    def _kept(self, name: str) -> dict[str, str]:
        file = self._folder / name
        try:
            found = json.loads(file.read_text())
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise StorageCorrupt(str(file), 0, str(error)) from error
        return {str(name): str(key) for name, key in found.items()}
