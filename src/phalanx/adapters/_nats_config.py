"""What a NATS server of ours is told: its configuration, as text.

Everything that travels through it is sealed between nodes already; TLS hides who speaks with
whom and when, and keys keep strangers from using the server at all.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from phalanx.adapters._limits import (
    MAX_NATS_CONTROL_LINE,
    MAX_NATS_DATAGRAM_BYTES,
    MAX_NATS_PENDING_BYTES,
    NATS_WRITE_DEADLINE_S,
)
from phalanx.adapters._nats import SUBJECT_ROOT


@dataclass(frozen=True, slots=True)
class NatsServerPlan:
    """How a server is to run. ``port`` 0 takes a free one. ``users`` are public keys by name; none lets anyone in."""

    folder: Path
    name: str = "phalanx"
    host: str = "127.0.0.1"
    port: int = 0
    users: Mapping[str, str] = field(default_factory=dict)
    tls_files: tuple[Path, Path] | None = None

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
        if self.users:
            may = json.dumps([f"{SUBJECT_ROOT}.>"])
            lines += ["authorization {", "  users: ["]
            for name in sorted(self.users):
                lines.append(
                    f"    {{ nkey: {self.users[name]}, permissions: {{ publish: {may}, subscribe: {may} }} }}"
                    f" # {json.dumps(name)}"
                )
            lines += ["  ]", "}"]
        return "\n".join(lines) + "\n"


def _quoted(value: str | Path) -> str:
    return json.dumps(str(value), ensure_ascii=False)
