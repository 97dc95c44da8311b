"""The node's workers: who may work for it, and the secret shared with each."""

from dataclasses import dataclass, field

import msgspec

from phalanx import __version__
from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    Clock,
    Delete,
    EntropySource,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Put,
    Record,
    Store,
    Table,
    decode,
    encode,
)
from phalanx.node._limits import MAX_WORKER_TOKENS
from phalanx.node._ports import ClusterLine, Ports
from phalanx.node.settings._settings import Settings
from phalanx.node.workers._worker_token import WorkerToken
from phalanx.telemetry import Telemetry
from phalanx.workflows import portable
from phalanx.workflows.operations import BUILT_IN
from phalanx.workflows.workers import Crew, WorkerSeals, WorkerShown

WORKER_SECRETS = Table("workflow-workers", sealed=True)
_SECRET_BYTES = 32


class WorkerSecret(Record, frozen=True, kw_only=True, tag="workflow-worker"):
    """``id`` is the worker's name."""

    secret: bytes
    by: str = ""


@dataclass(slots=True)
class WorkflowWorkers:
    """See the module. ``crew`` gives them their work."""

    crew: Crew
    store: Store
    clock: Clock
    entropy: EntropySource
    line: ClusterLine | None
    process: str
    seals: dict[str, WorkerSeals] = field(default_factory=dict)

    async def load(self) -> None:
        """Those that were invited before."""
        for row in await self.store.scan(WORKER_SECRETS, DEFAULT_TENANT, limit=MAX_WORKER_TOKENS):
            kept = decode(row.value, WorkerSecret)
            self.seals[kept.id] = WorkerSeals(kept.id, kept.secret, self.entropy, node=True)

    async def invite(self, name: str, *, by: str) -> str:
        """The text of a token for a worker; an earlier one of that name is void. Raises ``InvalidInput``."""
        line = self._line()
        if name not in self.seals and len(self.seals) >= MAX_WORKER_TOKENS:
            raise LimitExceeded("MAX_WORKER_TOKENS", maximum=MAX_WORKER_TOKENS, seen=len(self.seals) + 1)
        access = await line.invite_worker(name)
        secret = self.entropy.token(_SECRET_BYTES)
        kept = WorkerSecret(
            id=name, tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=self.clock.wall_ns(), secret=secret, by=by
        )
        await self.store.commit([Put(WORKER_SECRETS, DEFAULT_TENANT, name, encode(kept))])
        self.crew.dismiss(name)
        self.seals[name] = WorkerSeals(name, secret, self.entropy, node=True)
        token = WorkerToken(
            name=name, host=self.process, urls=access.urls, ca=access.ca, seed=access.seed, secret=secret
        )
        return token.to_text()

    async def remove(self, name: str) -> None:
        """Cut a worker off; what it was doing is done by others. Raises ``NotFound``."""
        if name not in self.seals:
            raise NotFound("worker", name)
        del self.seals[name]
        self.crew.dismiss(name)
        await self.store.commit([Delete(WORKER_SECRETS, DEFAULT_TENANT, name)])
        await self._line().dismiss_worker(name)

    def shown(self) -> list[WorkerShown]:
        """Every worker that was invited, as it was last heard."""
        heard = {one.name: one for one in self.crew.workers()}
        never = WorkerShown(
            name="", stage="never heard", machine="", release="", slots=0, busy=0, done=0, lost=0, fenced=0,
            silent_s=-1.0, functions=0,
        )  # fmt: skip
        return [heard.get(name) or msgspec.structs.replace(never, name=name) for name in sorted(self.seals)]

    def _line(self) -> ClusterLine:
        if self.line is None or not self.line.serves:
            text, hint = "workers need this node's own server", "start it with `phalanx up --cluster`"
            if self.line is not None:
                text = f"workers serve the node whose server it is, and this one joined {', '.join(self.line.urls)}"
                hint = "make the token there; a node that is to have workers runs a server of its own"
            raise InvalidInput("cluster.serve", text, hint=hint)
        return self.line


async def opened_workers(settings: Settings, ports: Ports, store: Store, telemetry: Telemetry) -> WorkflowWorkers:
    """The crew of this node; it is served as the service ``workers``."""
    seals: dict[str, WorkerSeals] = {}
    line = None if ports.cluster is None else ports.cluster.crew_line(seals)
    crew = Crew(
        portable(BUILT_IN, ()), ports.processes, ports.clock, telemetry, slots=ports.process_slots,
        release=__version__, line=line, hedge=settings.workflows.hedge, lease_s=settings.workflows.lease_s,
    )  # fmt: skip
    made = WorkflowWorkers(crew, store, ports.clock, ports.entropy, ports.cluster, settings.node.name, seals)
    await made.load()
    return made
