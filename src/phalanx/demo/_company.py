"""The small company that the demo watches. Names and addresses are reserved for examples (RFC 2606, RFC 5737)."""

from dataclasses import dataclass
from typing import Final

DOMAIN: Final = "corp.example"
NETBIOS: Final = "CORP"


@dataclass(frozen=True, slots=True)
class Host:
    """A machine. ``user`` works at it; servers have none."""

    short: str
    ip: str
    user: str = ""

    @property
    def name(self) -> str:
        return f"{self.short}.{DOMAIN}"


_PEOPLE: Final = (
    "a.weber",
    "b.lang",
    "c.moreau",
    "d.okafor",
    "e.silva",
    "f.novak",
    "m.keller",
    "h.tanaka",
    "i.costa",
    "j.berg",
    "k.haas",
    "l.petit",
    "n.rossi",
    "o.lind",
)

WORKSTATIONS: Final = tuple(
    Host(f"ws-{number:02}", f"192.0.2.{100 + number}", user) for number, user in enumerate(_PEOPLE, start=1)
)
CONTROLLERS: Final = (Host("dc-01", "192.0.2.10"), Host("dc-02", "192.0.2.11"))
FILE_SERVER: Final = Host("fs-01", "192.0.2.20")
APP_SERVER: Final = Host("app-01", "192.0.2.21")
MAIL_SERVER: Final = Host("mail-01", "192.0.2.22")
BACKUP_SERVER: Final = Host("backup-01", "192.0.2.23")
WINDOWS_SERVERS: Final = (*CONTROLLERS, FILE_SERVER, APP_SERVER, MAIL_SERVER, BACKUP_SERVER)
WEB_SERVER: Final = Host("web-01", "192.0.2.40")
LINUX_SERVERS: Final = (
    WEB_SERVER,
    Host("git-01", "192.0.2.41"),
    Host("db-01", "192.0.2.42"),
    Host("ci-01", "192.0.2.43"),
    Host("mon-01", "192.0.2.44"),
)
HOSTS: Final = (*WORKSTATIONS, *WINDOWS_SERVERS, *LINUX_SERVERS)

ADMINISTRATORS: Final = ("adm.lind", "adm.haas")
# Administrators work from here; a remote desktop from anywhere else would be odd.
ADMIN_STATIONS: Final = (WORKSTATIONS[10], WORKSTATIONS[13])

RESOLVER: Final = CONTROLLERS[0]

# Sites people visit: name, address.
SITES: Final = tuple(
    (name, f"198.51.100.{20 + number}")
    for number, name in enumerate(
        (
            "www.office-suite.example",
            "login.office-suite.example",
            "cdn.office-suite.example",
            "mail.partner.example",
            "www.daily-news.example",
            "static.daily-news.example",
            "api.weather.example",
            "www.supplier.example",
            "shop.supplier.example",
            "updates.vendor.example",
            "telemetry.vendor.example",
            "meet.conference.example",
            "media.conference.example",
            "www.bank.example",
            "maps.travel.example",
            "packages.linux.example",
        )
    )
)
OFFSITE_BACKUP: Final = ("vault.backup-service.example", "198.51.100.200")


def address_book() -> dict[str, str]:
    """The name of each host by its address and by its short name, as an inventory would have it."""
    return {alias: host.name for host in HOSTS for alias in (host.ip, host.short)}
