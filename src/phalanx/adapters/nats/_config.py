"""What a NATS server of ours is told: its configuration, as text.

Everything that travels through it is sealed between nodes already; TLS hides who speaks with
whom and when, and keys keep strangers from using the server at all. A worker may take tickets, ask, and say what it
has done, and hear what is answered to it; nothing of what nodes say to each other.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from phalanx.adapters._limits import (
    MAX_NATS_CONTROL_LINE,
    MAX_NATS_DATAGRAM_BYTES,
    MAX_NATS_PENDING_BYTES,
    MAX_NATS_QUEUE_BYTES,
    MAX_NATS_QUEUE_MEMORY_BYTES,
    NATS_WRITE_DEADLINE_S,
)
from phalanx.adapters.nats._transport import SUBJECT_ROOT

WORK_SUBJECT, INBOX_SUBJECT = f"{SUBJECT_ROOT}.work", f"{SUBJECT_ROOT}.inbox"
TODO_STREAM, DONE_STREAM, WORKERS_CONSUMER = "phalanx-todo", "phalanx-done", "workers"


@dataclass(frozen=True, slots=True)
class NatsServerPlan:
    """How a server is to run. ``port`` 0 takes a free one. ``users`` are public keys by name; none lets anyone in.

    With ``owner``, the public key of the node whose server it is, there is a queue, on which ``workers`` serve it.
    """

    folder: Path
    name: str = "phalanx"
    host: str = "127.0.0.1"
    port: int = 0
    users: Mapping[str, str] = field(default_factory=dict)
    tls_files: tuple[Path, Path] | None = None
    owner: str = ""
    workers: Mapping[str, str] = field(default_factory=dict)

    def text(self, port: int) -> str:
        """The configuration. Strings are quoted as JSON does, which the server reads."""
        lines = [
            f"server_name: {_quoted(self.name)}",
            f"host: {_quoted(self.host)}",
            f"port: {port or -1}",
            "logtime: false",
            f"max_payload: {MAX_NATS_DATAGRAM_BYTES}",
            f"max_control_line: {MAX_NATS_CONTROL_LINE}",
            f"max_pending: {MAX_NATS_PENDING_BYTES}",
            f'write_deadline: "{NATS_WRITE_DEADLINE_S}s"',
        ]
        if self.tls_files is not None:
            certificate, key = self.tls_files
            lines.append(f'tls {{ cert_file: {_quoted(certificate)}, key_file: {_quoted(key)}, min_version: "1.3" }}')
        if self.owner:
            folder = _quoted(self.folder / "jetstream")
            lines.append(
                f"jetstream {{ store_dir: {folder}, max_memory_store: {MAX_NATS_QUEUE_MEMORY_BYTES}, "
                f"max_file_store: {MAX_NATS_QUEUE_BYTES} }}"
            )
        if self.users or self.owner:
            lines += ["authorization {", "  users: [", *self._users(), "  ]", "}"]
        return "\n".join(lines) + "\n"

    def _users(self) -> list[str]:
        ours = f"{SUBJECT_ROOT}.>"
        lines = []
        if self.owner:
            lines.append(_user(self.owner, "the node", [ours, "$JS.API.>", "$JS.ACK.>"], [ours]))
        # Who joined keeps to what nodes say to each other.
        deny = [f"{WORK_SUBJECT}.>", f"{INBOX_SUBJECT}.>"] if self.owner else []
        lines += [_user(self.users[name], name, [ours], [ours], deny) for name in sorted(self.users)]
        for name in sorted(self.workers):
            may = [
                f"$JS.API.CONSUMER.MSG.NEXT.{TODO_STREAM}.{WORKERS_CONSUMER}", f"$JS.ACK.{TODO_STREAM}.>",
                f"{WORK_SUBJECT}.ask.{name}", f"{WORK_SUBJECT}.beat.{name}", f"{WORK_SUBJECT}.done.*",
            ]  # fmt: skip
            lines.append(_user(self.workers[name], f"worker {name}", may, [f"{INBOX_SUBJECT}.{name}.>"]))
        return lines


def _user(key: str, name: str, publish: list[str], subscribe: list[str], deny: Sequence[str] = ()) -> str:
    parts = [
        f"{what}: {{ allow: {json.dumps(may)}" + (f", deny: {json.dumps(list(deny))}" if deny else "") + " }"
        for what, may in (("publish", publish), ("subscribe", subscribe))
    ]
    return f"    {{ nkey: {key}, permissions: {{ {', '.join(parts)} }} }} # {json.dumps(name)}"


def _quoted(value: str | Path) -> str:
    return json.dumps(str(value), ensure_ascii=False)
