"""What is odd and honest: administrators and people who do what intruders do, for reasons of their own.

Rules hold for these as they must; none of it belongs to an intrusion, however near to one it happens. What puts
findings together is measured against it.
"""

import base64
from collections.abc import Iterator, Sequence
from typing import Final

from phalanx.core import NS_PER_S, Rng
from phalanx.demo._background import Timed
from phalanx.demo._company import (
    ADMIN_STATIONS,
    ADMINISTRATORS,
    LINUX_SERVERS,
    WINDOWS_SERVERS,
    WORKSTATIONS,
)
from phalanx.demo._formats import Formats

_SYSTEM32: Final = "C:\\Windows\\System32\\"
_CMD, _EXPLORER = f"{_SYSTEM32}cmd.exe", "C:\\Windows\\explorer.exe"
_POWERSHELL: Final = f"{_SYSTEM32}WindowsPowerShell\\v1.0\\powershell.exe"
_ENCODED: Final = base64.b64encode("Get-Service | Export-Csv C:\\Temp\\s.csv".encode("utf-16-le")).decode()
_OPERATORS: Final = ("ops.haas", "ops.lind")


class Oddities:
    """Draws them, one at a time."""

    def __init__(self, rng: Rng, formats: Formats) -> None:
        self._rng = rng
        self._formats = formats
        self._kinds = (
            self._encoded, self._remote_command, self._looks_up, self._schedules, self._packs, self._uploads,
            self._root_shell, self._from_home, self._scanned,
        )  # fmt: skip

    def drawn(self, number: int, *, start_ns: int, length_s: float) -> list[Timed]:
        """The lines of ``number`` of them, spread over the time."""
        lines: list[Timed] = []
        for _ in range(number):
            at_ns = start_ns + int(self._rng.random() * 0.95 * length_s * NS_PER_S)
            lines += self._rng.choice(self._kinds)(at_ns)
        return lines

    def _encoded(self, at_ns: int) -> Iterator[Timed]:
        """An administrator's script, encoded because of its quotes."""
        host, user = self._rng.choice(WINDOWS_SERVERS), self._rng.choice(ADMINISTRATORS)
        command = f"powershell.exe -NoP -enc {_ENCODED}"
        yield at_ns, self._formats.process(host, at_ns, user=user, image=_POWERSHELL, command=command, parent=_CMD)

    def _remote_command(self, at_ns: int) -> Iterator[Timed]:
        """PsExec, as administrators use it."""
        host, source = self._rng.choice(WINDOWS_SERVERS), self._rng.choice(ADMIN_STATIONS)
        user = self._rng.choice(ADMINISTRATORS)
        yield at_ns, self._formats.logon(host, at_ns, user=user, kind=3, source=source)
        path = "%SystemRoot%\\PSEXESVC.exe"
        yield at_ns + 1, self._formats.service_installed(host, at_ns, service="PSEXESVC", path=path)
        yield at_ns + 2, self._formats.process(
            host, at_ns, user=user, image=_CMD, command="cmd.exe /c ipconfig /flushdns",
            parent="C:\\Windows\\PSEXESVC.exe",
        )  # fmt: skip

    def _looks_up(self, at_ns: int) -> Iterator[Timed]:
        """An administrator asks who is in a group."""
        host, user = self._rng.choice(ADMIN_STATIONS), self._rng.choice(ADMINISTRATORS)
        for program, command in (("whoami.exe", "whoami /all"), ("nltest.exe", "nltest /dclist:corp.example")):
            image = f"{_SYSTEM32}{program}"
            yield at_ns, self._formats.process(host, at_ns, user=user, image=image, command=command, parent=_CMD)

    def _schedules(self, at_ns: int) -> Iterator[Timed]:
        host, user = self._rng.choice(WINDOWS_SERVERS), self._rng.choice(ADMINISTRATORS)
        command = 'schtasks /create /sc daily /tn Report /tr "powershell.exe -File C:\\Scripts\\report.ps1"'
        image = f"{_SYSTEM32}schtasks.exe"
        yield at_ns, self._formats.process(host, at_ns, user=user, image=image, command=command, parent=_CMD)

    def _packs(self, at_ns: int) -> Iterator[Timed]:
        """Somebody sends salaries to the accountant, and rightly with a password."""
        host = self._rng.choice(WORKSTATIONS)
        command = f"rar.exe a -hpGeheim C:\\Users\\{host.user}\\pay.rar C:\\Users\\{host.user}\\Documents\\pay.xlsx"
        image = "C:\\Program Files\\WinRAR\\rar.exe"
        yield at_ns, self._formats.process(host, at_ns, user=host.user, image=image, command=command, parent=_EXPLORER)

    def _uploads(self, at_ns: int) -> Iterator[Timed]:
        """A film for a partner."""
        host = self._rng.choice(WORKSTATIONS)
        sent = 120_000_000 + self._rng.integer(0, 300_000_000)
        yield (
            at_ns,
            self._formats.flow(
                at_ns, source=host.ip, target="198.51.100.32", port=443, sent=sent, received=90_000, duration_s=60.0
            ),
        )

    def _root_shell(self, at_ns: int) -> Iterator[Timed]:
        host, user = self._rng.choice(LINUX_SERVERS), self._rng.choice(_OPERATORS)
        message = f"{user:>8} : TTY=pts/0 ; PWD=/home/{user} ; USER=root ; COMMAND=/bin/bash"
        yield at_ns, self._formats.syslog(host, at_ns, program="sudo", message=message, priority=85)

    def _from_home(self, at_ns: int) -> Iterator[Timed]:
        """An operator on call, without the key at hand."""
        host, user = self._rng.choice(LINUX_SERVERS), self._rng.choice(_OPERATORS)
        ip, port = f"198.51.100.{self._rng.integer(210, 250)}", self._rng.integer(30_000, 60_000)
        message = f"Accepted password for {user} from {ip} port {port} ssh2"
        yield at_ns, self._formats.syslog(host, at_ns, program="sshd", message=message)

    def _scanned(self, at_ns: int) -> Iterator[Timed]:
        """The internet tries the usual names, as it does every day."""
        host, ip = self._rng.choice(LINUX_SERVERS), f"198.51.100.{self._rng.integer(210, 250)}"
        names: Sequence[str] = ("root", "admin", "oracle", "pi")
        for place in range(12):
            port, name = self._rng.integer(30_000, 60_000), names[place % len(names)]
            message = f"Failed password for invalid user {name} from {ip} port {port} ssh2"
            yield (
                at_ns + place * NS_PER_S,
                self._formats.syslog(host, at_ns + place * NS_PER_S, program="sshd", message=message),
            )
