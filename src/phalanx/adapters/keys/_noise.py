"""Noise sources of the machine: the operating system, the CPU's timing, devices and files."""

import hashlib
import os
import stat
import time

from phalanx.adapters._limits import NOISE_READ_S, NOISE_WAIT_S
from phalanx.core import InvalidInput
from phalanx.crypto.entropy import NoiseSource, SourceContext, SourceFailed

_WORK = bytes(512)


class OsNoise:
    """The operating system's generator, watched like any other source. Its bytes are conditioned already."""

    name = "os"
    min_entropy = 8.0
    sample_bits = 8
    simulated = False

    def read(self, n_samples: int) -> bytes:
        return os.urandom(n_samples)


class JitterNoise:
    """How long a small piece of work takes, in the low byte of nanoseconds.

    Caches, interrupts and clocks that drift move it. How much of that nobody could predict
    depends on the machine, so the claim is small.
    """

    name = "jitter"
    min_entropy = 0.5
    sample_bits = 8
    simulated = False

    def read(self, n_samples: int) -> bytes:
        samples = bytearray()
        before = time.perf_counter_ns()
        for _ in range(n_samples):
            hashlib.sha256(_WORK).digest()
            now = time.perf_counter_ns()
            samples.append(now - before & 0xFF)
            before = now
        return bytes(samples)


class DeviceNoise:
    """Bytes of a device or a file. A file is read once through; at its end the source has failed."""

    sample_bits = 8
    simulated = False

    def __init__(self, path: str, min_entropy: float) -> None:
        self.name = f"device:{path}"
        self.min_entropy = min_entropy
        self._path = path
        self._at = 0

    def read(self, n_samples: int) -> bytes:
        """Opened for each read, so that a device that was plugged in again is found."""
        try:
            handle = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise SourceFailed(self.name, "reading", error.strerror or str(error)) from error
        try:
            return self._filled(handle, n_samples)
        except OSError as error:
            raise SourceFailed(self.name, "reading", error.strerror or str(error)) from error
        finally:
            os.close(handle)

    def _filled(self, handle: int, n_samples: int) -> bytes:
        is_file = stat.S_ISREG(os.fstat(handle).st_mode)
        if is_file:
            os.lseek(handle, self._at, os.SEEK_SET)
        found = b""
        end_s = time.monotonic() + NOISE_READ_S
        while len(found) < n_samples and time.monotonic() < end_s:
            try:
                piece = os.read(handle, n_samples - len(found))
            except BlockingIOError:
                time.sleep(NOISE_WAIT_S)
                continue
            if not piece:
                break
            found += piece
        if is_file:
            self._at += len(found)
        return found


def os_noise(context: SourceContext) -> NoiseSource:
    """The plug-in `os`."""
    _no_argument("os", context)
    return OsNoise()


def jitter_noise(context: SourceContext) -> NoiseSource:
    """The plug-in `jitter`."""
    _no_argument("jitter", context)
    return JitterNoise()


def device_noise(context: SourceContext) -> NoiseSource:
    """The plug-in `device`: `device:PATH`, or `device:PATH@BITS` to claim that many bits per byte (4 without)."""
    path, _, claimed = context.argument.partition("@")
    try:
        min_entropy = float(claimed or 4.0)
    except ValueError:
        min_entropy = 0.0
    if not path or not 0 < min_entropy <= 8:
        raise InvalidInput("entropy.sources", f"device:{context.argument} is not device:PATH or device:PATH@BITS")
    return DeviceNoise(path, min_entropy)


def _no_argument(name: str, context: SourceContext) -> None:
    if context.argument:
        raise InvalidInput("entropy.sources", f"{name} takes no argument, not {context.argument!r}")
