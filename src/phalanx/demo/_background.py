"""An ordinary working day: what the company's machines write when nothing is wrong.

It holds what detectors must tell from an attack: administrators at work, an agent that runs
PowerShell, a virus scanner that opens lsass.exe, a nightly upload to the off-site backup.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from phalanx.core import NS_PER_MS, NS_PER_S, Rng
from phalanx.demo._company import (
    ADMIN_STATIONS,
    ADMINISTRATORS,
    BACKUP_SERVER,
    CONTROLLERS,
    FILE_SERVER,
    LINUX_SERVERS,
    MAIL_SERVER,
    OFFSITE_BACKUP,
    RESOLVER,
    SITES,
    WINDOWS_SERVERS,
    WORKSTATIONS,
    Host,
)
from phalanx.demo._formats import Formats, Line

Timed = tuple[int, Line]

_EXPLORER: Final = "C:\\Windows\\explorer.exe"
_SVCHOST: Final = "C:\\Windows\\System32\\svchost.exe"
_SERVICES: Final = "C:\\Windows\\System32\\services.exe"
_BROWSER: Final = "C:\\Program Files\\Browser\\browser.exe"
_OFFICE: Final = "C:\\Program Files\\Microsoft Office\\root\\Office16\\"
_DEFENDER: Final = "C:\\ProgramData\\Microsoft\\Windows Defender\\Platform\\4.18\\MsMpEng.exe"
_AGENT: Final = "C:\\Program Files\\Management Agent\\agent.exe"
_AGENT_STRING: Final = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Browser/128.0"

# Image, command line, parent: what people start.
_STARTED: Final = (
    (f"{_OFFICE}WINWORD.EXE", '"WINWORD.EXE" /n "C:\\Users\\{user}\\Documents\\report.docx"', _EXPLORER),
    (f"{_OFFICE}EXCEL.EXE", '"EXCEL.EXE" "C:\\Users\\{user}\\Documents\\plan.xlsx"', _EXPLORER),
    (f"{_OFFICE}OUTLOOK.EXE", '"OUTLOOK.EXE"', _EXPLORER),
    (f"{_OFFICE}POWERPNT.EXE", '"POWERPNT.EXE" "C:\\Users\\{user}\\Documents\\review.pptx"', _EXPLORER),
    (_BROWSER, '"browser.exe" --type=renderer --lang=en', _BROWSER),
    (_BROWSER, '"browser.exe" --type=utility', _BROWSER),
    ("C:\\Program Files\\Conference\\meet.exe", '"meet.exe" --background', _EXPLORER),
    ("C:\\Windows\\System32\\notepad.exe", '"notepad.exe" notes.txt', _EXPLORER),
    ("C:\\Windows\\System32\\cmd.exe", "cmd.exe", _EXPLORER),
    ("C:\\Program Files\\Acro\\reader.exe", '"reader.exe" "C:\\Users\\{user}\\Downloads\\invoice.pdf"', _EXPLORER),
)
# What the system starts by itself.
_SYSTEM_STARTED: Final = (
    (_SVCHOST, "svchost.exe -k netsvcs -p -s Schedule", _SERVICES),
    ("C:\\Windows\\System32\\taskhostw.exe", "taskhostw.exe", _SVCHOST),
    ("C:\\Windows\\System32\\RuntimeBroker.exe", "RuntimeBroker.exe -Embedding", _SVCHOST),
    ("C:\\Windows\\System32\\SearchProtocolHost.exe", '"SearchProtocolHost.exe" Global\\UsGthrFltPipe', _SVCHOST),
    ("C:\\Windows\\System32\\backgroundTaskHost.exe", "backgroundTaskHost.exe -ServerName:App", _SVCHOST),
    ("C:\\Windows\\System32\\rundll32.exe", "rundll32.exe shell32.dll,Control_RunDLL timedate.cpl", _EXPLORER),
    ("C:\\Windows\\System32\\wbem\\WmiPrvSE.exe", "wmiprvse.exe -secured -Embedding", _SVCHOST),
)
_AGENT_SCRIPT: Final = (
    "powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass -File C:\\ProgramData\\Agent\\inventory.ps1"
)
_POWERSHELL: Final = "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe"
_SUDO_COMMANDS: Final = (
    "/usr/bin/apt-get update",
    "/usr/bin/systemctl restart nginx",
    "/usr/bin/systemctl status postgresql",
    "/usr/bin/journalctl -u nginx",
    "/usr/bin/less /var/log/auth.log",
)
_OPERATORS: Final = ("ops.haas", "ops.lind")
_CRON_COMMANDS: Final = ("/usr/lib/sysstat/sa1 1 1", "test -x /usr/sbin/anacron", "/usr/local/bin/rotate-metrics")


class Background:
    """Draws episodes of one to a few lines; ``episode`` may be called with any times in order."""

    def __init__(self, rng: Rng, formats: Formats) -> None:
        self._rng = rng
        self._formats = formats
        kinds: Sequence[tuple[int, Callable[[int], Iterator[Timed]]]] = (
            (220, self._program),
            (120, self._system_program),
            (60, self._audited_program),
            (260, self._browsing),
            (150, self._lookup),
            (90, self._file),
            (110, self._logon),
            (50, self._file_share),
            (30, self._opened_process),
            (25, self._services),
            (20, self._managed),
            (12, self._administration),
            (60, self._cron),
            (40, self._operator),
            (50, self._web_server),
            (3, self._mistyped),
            (1, self._offsite_backup),
        )
        self._kinds = [make for weight, make in kinds for _ in range(weight)]

    def episode(self, at_ns: int) -> list[Timed]:
        """The lines of something that begins at ``at_ns``, each with its own time."""
        return list(self._rng.choice(self._kinds)(at_ns))

    def _later(self, at_ns: int, most_s: float) -> int:
        return at_ns + int(self._rng.random() * most_s * NS_PER_S)

    def _program(self, at_ns: int) -> Iterator[Timed]:
        host = self._rng.choice(WORKSTATIONS)
        image, command, parent = self._rng.choice(_STARTED)
        command = command.format(user=host.user)
        yield (
            at_ns,
            self._formats.process(host, at_ns, user=host.user, image=image, command=command, parent=parent),
        )

    def _system_program(self, at_ns: int) -> Iterator[Timed]:
        host = self._rng.choice((*WORKSTATIONS, *WINDOWS_SERVERS))
        image, command, parent = self._rng.choice(_SYSTEM_STARTED)
        yield at_ns, self._formats.process(host, at_ns, user="SYSTEM", image=image, command=command, parent=parent)

    def _audited_program(self, at_ns: int) -> Iterator[Timed]:
        host = self._rng.choice(WINDOWS_SERVERS)
        image, command, parent = self._rng.choice(_SYSTEM_STARTED)
        yield (
            at_ns,
            self._formats.audited_process(
                host, at_ns, user=f"{host.short.upper()}$", image=image, command=command, parent=parent
            ),
        )

    def _browsing(self, at_ns: int) -> Iterator[Timed]:
        host = self._rng.choice(WORKSTATIONS)
        name, ip = self._rng.choice(SITES)
        yield at_ns, self._formats.name_asked(host, at_ns, image=_BROWSER, name=name, ip=ip)
        yield at_ns, self._formats.lookup(at_ns, source=host.ip, resolver=RESOLVER.ip, name=name, answer=ip)
        opened_ns = at_ns + 3 * NS_PER_MS
        port = 80 if self._rng.chance(0.1) else 443
        yield opened_ns, self._formats.connection(host, opened_ns, user=host.user, image=_BROWSER, ip=ip, port=port)
        received = int(self._rng.exponential(60_000))
        if port == 80:
            yield (
                opened_ns,
                self._formats.request(
                    opened_ns, source=host.ip, target=ip, name=name, path="/", agent=_AGENT_STRING, size=received
                ),
            )
        sent, duration_s = 400 + self._rng.integer(0, 6_000), self._rng.exponential(2.0)
        yield self._ended_flow(opened_ns, host, ip, port, sent, received, duration_s)

    def _ended_flow(
        self, opened_ns: int, host: Host, ip: str, port: int, sent: int, received: int, duration_s: float
    ) -> Timed:
        # Zeek writes a connection down when it ends, under the time it began.
        line = self._formats.flow(
            opened_ns,
            source=host.ip,
            target=ip,
            port=port,
            sent=sent,
            received=received,
            duration_s=duration_s,
        )
        return opened_ns + int(duration_s * NS_PER_S), line

    def _lookup(self, at_ns: int) -> Iterator[Timed]:
        host = self._rng.choice((*WORKSTATIONS, *LINUX_SERVERS, MAIL_SERVER))
        name, ip = self._rng.choice(SITES)
        if host is MAIL_SERVER and self._rng.chance(0.5):
            key = f"s{self._rng.integer(1, 9)}._domainkey.partner.example"
            line = self._formats.lookup(
                at_ns, source=host.ip, resolver=RESOLVER.ip, name=key, kind="TXT", answer="v=DKIM1; k=rsa; p=MIIB"
            )
        else:
            line = self._formats.lookup(at_ns, source=host.ip, resolver=RESOLVER.ip, name=name, answer=ip)
        yield at_ns, line

    def _file(self, at_ns: int) -> Iterator[Timed]:
        host = self._rng.choice(WORKSTATIONS)
        file = f"C:\\Users\\{host.user}\\AppData\\Local\\Temp\\~{self._rng.bits(24):06x}.tmp"
        if self._rng.chance(0.3):
            file = f"C:\\Users\\{host.user}\\Downloads\\document-{self._rng.integer(1, 400)}.pdf"
        yield at_ns, self._formats.file_created(host, at_ns, user=host.user, image=_BROWSER, file=file)

    def _logon(self, at_ns: int) -> Iterator[Timed]:
        source = self._rng.choice(WORKSTATIONS)
        target = self._rng.choice((FILE_SERVER, *CONTROLLERS, MAIL_SERVER))
        yield at_ns, self._formats.logon(target, at_ns, user=source.user, kind=3, source=source)
        later_ns = self._later(at_ns, 20)
        yield later_ns, self._formats.logoff(target, later_ns, user=source.user)

    def _file_share(self, at_ns: int) -> Iterator[Timed]:
        host = self._rng.choice(WORKSTATIONS)
        sent, received = int(self._rng.exponential(20_000)), int(self._rng.exponential(2_000_000))
        yield self._ended_flow(at_ns, host, FILE_SERVER.ip, 445, sent, received, self._rng.exponential(5.0))

    def _opened_process(self, at_ns: int) -> Iterator[Timed]:
        host = self._rng.choice((*WORKSTATIONS, *WINDOWS_SERVERS))
        source, access = self._rng.choice(
            ((_DEFENDER, "0x1410"), (_SVCHOST, "0x1000"), ("C:\\Windows\\System32\\csrss.exe", "0x1fffff"))
        )
        target = "C:\\Windows\\System32\\lsass.exe" if self._rng.chance(0.4) else _BROWSER
        yield at_ns, self._formats.process_opened(host, at_ns, source=source, target=target, access=access)

    def _services(self, at_ns: int) -> Iterator[Timed]:
        host = self._rng.choice((*WORKSTATIONS, *WINDOWS_SERVERS))
        if self._rng.chance(0.05):
            path = "C:\\Program Files\\Vendor\\updater.exe"
            yield at_ns, self._formats.service_installed(host, at_ns, service="Vendor Updater", path=path)
        service = self._rng.choice(("Windows Update", "Background Intelligent Transfer Service", "Print Spooler"))
        state = self._rng.choice(("running", "stopped"))
        yield at_ns, self._formats.service_state(host, at_ns, service=service, state=state)

    def _managed(self, at_ns: int) -> Iterator[Timed]:
        host = self._rng.choice((*WORKSTATIONS, *WINDOWS_SERVERS))
        yield (
            at_ns,
            self._formats.process(host, at_ns, user="SYSTEM", image=_POWERSHELL, command=_AGENT_SCRIPT, parent=_AGENT),
        )
        text = "Get-CimInstance Win32_Product | Select-Object Name, Version | ConvertTo-Json"
        script_ns = at_ns + 40 * NS_PER_MS
        yield script_ns, self._formats.script(host, script_ns, text=text)

    def _administration(self, at_ns: int) -> Iterator[Timed]:
        user = self._rng.choice(ADMINISTRATORS)
        source, target = self._rng.choice(ADMIN_STATIONS), self._rng.choice(WINDOWS_SERVERS)
        yield at_ns, self._formats.logon(target, at_ns, user=user, kind=10, source=source)
        yield self._ended_flow(at_ns, source, target.ip, 3389, 400_000, 9_000_000, 30 * self._rng.random())
        started_ns = self._later(at_ns, 10)
        image, command = self._rng.choice(
            (
                ("C:\\Windows\\System32\\mmc.exe", "mmc.exe services.msc"),
                ("C:\\Windows\\System32\\cmd.exe", "cmd.exe /c ipconfig /all"),
                ("C:\\Windows\\System32\\net.exe", "net use \\\\fs-01\\software"),
            )
        )
        yield (
            started_ns,
            self._formats.process(target, started_ns, user=user, image=image, command=command, parent=_EXPLORER),
        )

    def _cron(self, at_ns: int) -> Iterator[Timed]:
        host = self._rng.choice(LINUX_SERVERS)
        message = f"(root) CMD ({self._rng.choice(_CRON_COMMANDS)})"
        yield at_ns, self._formats.syslog(host, at_ns, program="CRON", message=message, priority=78)

    def _operator(self, at_ns: int) -> Iterator[Timed]:
        host, user = self._rng.choice(LINUX_SERVERS), self._rng.choice(_OPERATORS)
        source, port = self._rng.choice(ADMIN_STATIONS), self._rng.integer(49_152, 65_536)
        key = f"SHA256:{self._rng.bits(128):032x}"
        message = f"Accepted publickey for {user} from {source.ip} port {port} ssh2: ED25519 {key}"
        yield at_ns, self._formats.syslog(host, at_ns, program="sshd", message=message)
        opened_ns = at_ns + 5 * NS_PER_MS
        message = f"pam_unix(sshd:session): session opened for user {user} by (uid=0)"
        yield opened_ns, self._formats.syslog(host, opened_ns, program="sshd", message=message)
        later_ns = self._later(opened_ns, 15)
        command = self._rng.choice(_SUDO_COMMANDS)
        message = f"{user:>8} : TTY=pts/0 ; PWD=/home/{user} ; USER=root ; COMMAND={command}"
        yield later_ns, self._formats.syslog(host, later_ns, program="sudo", message=message, priority=85)

    def _web_server(self, at_ns: int) -> Iterator[Timed]:
        host = self._rng.choice(LINUX_SERVERS)
        message = self._rng.choice(
            (
                "Started Session 4711 of user ops.haas.",
                "nginx.service: Reloaded configuration.",
                "Finished Daily apt download activities.",
                "postgresql: checkpoint complete: wrote 214 buffers",
            )
        )
        yield at_ns, self._formats.syslog(host, at_ns, program="systemd", message=message, priority=30)

    def _mistyped(self, at_ns: int) -> Iterator[Timed]:
        host, user = self._rng.choice(LINUX_SERVERS), self._rng.choice(_OPERATORS)
        source, port = self._rng.choice(ADMIN_STATIONS), self._rng.integer(49_152, 65_536)
        message = f"Failed password for {user} from {source.ip} port {port} ssh2"
        yield at_ns, self._formats.syslog(host, at_ns, program="sshd", message=message)

    def _offsite_backup(self, at_ns: int) -> Iterator[Timed]:
        name, ip = OFFSITE_BACKUP
        yield at_ns, self._formats.lookup(at_ns, source=BACKUP_SERVER.ip, resolver=RESOLVER.ip, name=name, answer=ip)
        sent = 40_000_000 + int(self._rng.exponential(40_000_000))
        yield self._ended_flow(at_ns, BACKUP_SERVER, ip, 443, sent, 90_000, 5 + self._rng.exponential(10.0))
