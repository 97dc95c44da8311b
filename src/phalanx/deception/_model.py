"""What decoys there are, and what is kept of a touch."""

from dataclasses import dataclass
from typing import Any

import msgspec

from phalanx.core import DEFAULT_TENANT, Put, Record, Table, TenantId, encode

CAPTURES = Table("captures", indexes=("told",), sealed=True)
CANARIES = Table("canaries", sealed=True)

TOLD, UNTOLD = "yes", "no"


class Capture(Record, frozen=True, kw_only=True, tag="capture"):
    """What one who touched a decoy did. ``received`` is how it begins, ``size`` how much it was.

    ``facts`` is what was read out of it: client, request, user name. A password is kept as what it
    was compared with: whether it is the planted one.
    """

    decoy: str
    port: int
    peer: str
    peer_port: int
    ended_ns: int
    size: int
    received: bytes
    facts: dict[str, str]
    canary: bool
    ended: str
    event: str = ""


class CanaryUser(Record, frozen=True, kw_only=True, tag="canary-user"):
    """A user name that nobody has, and the password that is planted with it."""

    name: str
    secret: str


@dataclass(frozen=True, slots=True)
class Decoys:
    """What is to be put out: ports to listen on, user names and files to plant. A tool of the node.

    ``node`` is whose decoys they are: where a file was touched, that host is to be looked into.
    """

    host: str = "127.0.0.1"
    ssh: tuple[int, ...] = ()
    http: tuple[int, ...] = ()
    tcp: tuple[int, ...] = ()
    users: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    node: str = "phalanx"
    tenant: TenantId = DEFAULT_TENANT

    @property
    def ports(self) -> list[tuple[str, int]]:
        """Kind and port of each decoy."""
        kinds = (("ssh", self.ssh), ("http", self.http), ("tcp", self.tcp))
        return [(kind, port) for kind, ports in kinds for port in ports]


def capture_put(capture: Capture) -> Put:
    """The write that keeps a capture."""
    told = TOLD if capture.event else UNTOLD
    return Put(CAPTURES, capture.tenant, capture.id, encode(capture), {"told": (told,)})


def with_event(capture: Capture, event: str) -> Capture:
    """The capture, told as this event."""
    changes: dict[str, Any] = {"event": event, "trace": event}
    return msgspec.structs.replace(capture, **changes)
