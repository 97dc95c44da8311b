"""Workflows that users uploaded as files: kept in the store, and registered again when a node starts.

A file that replaces one of the same name makes another workflow: runs that the old one began do not continue with
it.
"""

from collections.abc import Mapping, Sequence

from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    Clock,
    Expect,
    InvalidInput,
    LimitExceeded,
    Put,
    Record,
    Store,
    Table,
    decode,
    encode,
)
from phalanx.telemetry import Telemetry
from phalanx.workflows._engine import Engine
from phalanx.workflows._errors import InvalidFile
from phalanx.workflows._files import read_workflow
from phalanx.workflows._limits import MAX_FILES
from phalanx.workflows._template import Template
from phalanx.workflows.operations import BUILT_IN, Operation


class WorkflowFile(Record, frozen=True, kw_only=True, tag="workflow-file"):
    """The text of a workflow, and who brought it."""

    name: str
    text: str
    by: str = ""


WORKFLOW_FILES = Table("workflow-files", sealed=True)


class Definitions:
    """The operations of a node, and the workflows made of them. Workflows are the node's, whoever brought them."""

    def __init__(self, store: Store, clock: Clock, telemetry: Telemetry, engine: Engine) -> None:
        self._store, self._clock, self.engine = store, clock, engine
        self._operations = {one.name: one for one in BUILT_IN}
        self._names: set[str] = set()
        self._log = telemetry.log.bind(room="workflows")

    @property
    def operations(self) -> Mapping[str, Operation]:
        """By name."""
        return self._operations

    def accept(self, operation: Operation) -> None:
        """Make an operation known. Raises ``InvalidInput`` when its name is taken."""
        if operation.name in self._operations:
            raise InvalidInput("operation", f"two are called {operation.name!r}")
        self._operations[operation.name] = operation

    async def add(self, text: str, *, by: str) -> Template:
        """Keep a workflow's file and make it known. Raises ``InvalidFile``; ``InvalidInput`` for a plug-in's name."""
        template = read_workflow(text, self._operations)
        if template.name not in self._names and any(one.name == template.name for one in self.engine.templates):
            raise InvalidInput("name", f"{template.name!r} is a workflow that comes with the node or a plug-in")
        if template.name not in self._names and len(self._names) >= MAX_FILES:
            raise LimitExceeded("workflows that were brought as files", maximum=MAX_FILES, seen=len(self._names) + 1)
        row = await self._store.get(WORKFLOW_FILES, DEFAULT_TENANT, template.name)
        kept = WorkflowFile(
            id=template.name, tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=self._clock.wall_ns(), name=template.name,
            text=text, by=by,
        )  # fmt: skip
        version = 0 if row is None else row.version
        await self._store.commit(
            [Put(WORKFLOW_FILES, DEFAULT_TENANT, template.name, encode(kept))],
            expect=[Expect(WORKFLOW_FILES, DEFAULT_TENANT, template.name, version)],
        )
        self._know(template)
        return template

    async def text(self, name: str) -> str | None:
        """The file of a workflow; none for one that comes with the node or a plug-in."""
        row = await self._store.get(WORKFLOW_FILES, DEFAULT_TENANT, name)
        return None if row is None else decode(row.value, WorkflowFile).text

    async def load(self) -> Sequence[str]:
        """Make known what is kept; what is wrong by now (an operation is gone, say) is left out and told."""
        after, left_out = "", []
        while rows := await self._store.scan(WORKFLOW_FILES, DEFAULT_TENANT, after=after):
            after = rows[-1].key
            for row in rows:
                kept = decode(row.value, WorkflowFile)
                try:
                    self._know(read_workflow(kept.text, self._operations, file=kept.name))
                except InvalidFile as error:
                    left_out.append(kept.name)
                    self._log.warning("a workflow is left out", workflow=kept.name, reason=error.message)
        return left_out

    def _know(self, template: Template) -> None:
        self.engine.register(template, instead=template.name in self._names)
        self._names.add(template.name)
