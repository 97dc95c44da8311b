"""What the operating system says of its machine, read from files as the kernel writes them."""

import stat

import pytest

from phalanx.adapters import OsHostMetrics

STAT = "cpu  {user} 0 100 {idle} 50 0 0 0 0 0\ncpu0 1 2 3 4\n"


def kernel(folder, *, user, idle):
    (folder / "stat").write_text(STAT.format(user=user, idle=idle))
    (folder / "meminfo").write_text("MemTotal:       1000 kB\nMemFree: 1 kB\nMemAvailable:    250 kB\n")


@pytest.mark.requirement("QRM-4")
def test_busy_is_since_the_last_reading(tmp_path):
    kernel(tmp_path, user=100, idle=750)
    metrics = OsHostMetrics(tmp_path, nvidia_smi="")
    assert metrics.read().busy == pytest.approx(0.2), "since the machine began"
    kernel(tmp_path, user=190, idle=760)
    second = metrics.read()
    assert second.busy == pytest.approx(0.9)
    assert (second.memory_bytes, second.memory_used_bytes) == (1_024_000, 768_000)
    assert metrics.read().busy is None, "no time has passed"
    assert second.cores >= 1
    assert second.gpus == ()


def test_what_is_not_said_stays_unknown(tmp_path):
    reading = OsHostMetrics(tmp_path, nvidia_smi="").read()
    assert (reading.busy, reading.memory_bytes, reading.memory_used_bytes) == (None, None, None)
    (tmp_path / "meminfo").write_text("MemTotal: many kB\nMemAvailable: 1 kB\n")
    (tmp_path / "stat").write_bytes(b"\xff")
    assert OsHostMetrics(tmp_path, nvidia_smi="").read().memory_bytes is None


@pytest.mark.requirement("QRM-4")
def test_graphics_processors_are_asked_through_the_vendors_command(tmp_path):
    command = tmp_path / "nvidia-smi"
    command.write_text("#!/bin/sh\necho 'H100, 37, 81559, 1024'\necho 'T4, [N/A], 15360, [N/A]'\necho broken\n")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    first, second = OsHostMetrics(tmp_path, nvidia_smi=str(command)).read().gpus
    assert (first.name, first.busy, first.memory_bytes, first.memory_used_bytes) == (
        "H100", 0.37, 81_559 << 20, 1_024 << 20,
    )  # fmt: skip
    assert (second.busy, second.memory_used_bytes) == (None, None)
    assert OsHostMetrics(tmp_path, nvidia_smi=str(tmp_path / "absent")).read().gpus == ()


def test_this_machine_says_how_it_is():
    reading = OsHostMetrics().read()
    assert reading.memory_bytes is None or 0 < reading.memory_used_bytes < reading.memory_bytes
