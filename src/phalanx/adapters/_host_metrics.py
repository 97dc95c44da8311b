"""How this machine is, as its operating system says: processors, memory, load, and NVIDIA's graphics processors.

Linux is read from ``/proc``; elsewhere only the number of processors and the load are known. Graphics processors are
asked through ``nvidia-smi``, where it is installed.
"""

import os
import shutil
import subprocess
from pathlib import Path

from phalanx.adapters._limits import MAX_GPUS, NVIDIA_SMI_S
from phalanx.devices import GpuReading, HostReading

_ASKED = "name,utilization.gpu,memory.total,memory.used"
_MIB = 1 << 20


class OsHostMetrics:
    """Implements ``HostMetrics``. ``proc`` is where the kernel tells; ``nvidia_smi`` the command, empty for none."""

    def __init__(self, proc: Path = Path("/proc"), *, nvidia_smi: str | None = None) -> None:
        self._proc = proc
        self._smi = shutil.which("nvidia-smi") if nvidia_smi is None else nvidia_smi
        self._last: tuple[int, int] | None = None

    def read(self) -> HostReading:
        memory = self._memory()
        return HostReading(
            cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            busy=self._busy(), load_1m=self._load(), memory_bytes=memory[0], memory_used_bytes=memory[1],
            gpus=self._gpus(),
        )  # fmt: skip

    def _busy(self) -> float | None:
        """Since the last reading; at the first one, since the machine began."""
        text = self._text("stat")
        fields = text.split("\n", 1)[0].split()
        if len(fields) < 6 or fields[0] != "cpu":
            return None
        ticks = [int(field) for field in fields[1:9]]
        # Idle, and waiting for disks: neither is work.
        total, idle = sum(ticks), ticks[3] + ticks[4]
        before, self._last = self._last or (0, 0), (total, idle)
        spent = total - before[0]
        return None if spent <= 0 else min(1.0, max(0.0, 1.0 - (idle - before[1]) / spent))

    def _load(self) -> float | None:
        try:
            return os.getloadavg()[0]
        except OSError:
            return None

    def _memory(self) -> tuple[int | None, int | None]:
        rows = dict(line.partition(":")[::2] for line in self._text("meminfo").splitlines())
        try:
            total, free = (int(rows[name].split()[0]) * 1_024 for name in ("MemTotal", "MemAvailable"))
        except (KeyError, ValueError, IndexError):
            return None, None
        return total, total - free

    def _gpus(self) -> tuple[GpuReading, ...]:
        if not self._smi:
            return ()
        command = [self._smi, f"--query-gpu={_ASKED}", "--format=csv,noheader,nounits"]
        try:
            said = subprocess.run(command, capture_output=True, text=True, timeout=NVIDIA_SMI_S, check=False)  # noqa: S603 - the vendor's own command
        except (OSError, subprocess.TimeoutExpired):
            return ()
        return tuple(_gpu(line) for line in said.stdout.splitlines()[:MAX_GPUS] if line.count(",") == 3)

    def _text(self, name: str) -> str:
        try:
            return (self._proc / name).read_text("ascii")
        except (OSError, UnicodeDecodeError):
            return ""


def _gpu(line: str) -> GpuReading:
    name, busy, total, used = (part.strip() for part in line.split(","))
    percent, known, taken = _number(busy), _number(total), _number(used)
    return GpuReading(
        name=name, busy=None if percent is None else percent / 100,
        memory_bytes=None if known is None else int(known * _MIB),
        memory_used_bytes=None if taken is None else int(taken * _MIB),
    )  # fmt: skip


def _number(text: str) -> float | None:
    """``None`` for what is not said: "[N/A]"."""
    return float(text) if text.replace(".", "", 1).isdecimal() else None
