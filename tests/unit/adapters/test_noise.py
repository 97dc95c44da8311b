"""The machine's own noise sources: samples as asked, and a typed error where there are none."""

import os

import pytest

from phalanx.adapters.keys import DeviceNoise, JitterNoise, OsNoise, device_noise, jitter_noise, os_noise
from phalanx.core import InvalidInput, Rng
from phalanx.crypto.entropy import HealthTest, SourceContext, SourceFailed, simulated_qrng

pytestmark = pytest.mark.requirement("CRY-3")


def context(argument=""):
    return SourceContext(argument, Rng(1))


@pytest.mark.parametrize(
    "source", [OsNoise(), JitterNoise(), DeviceNoise("/dev/urandom", 8.0)], ids=lambda one: one.name
)
def test_a_source_of_this_machine_passes_its_health_tests(source):
    samples = source.read(4096)
    assert len(samples) == 4096
    HealthTest(source.name, source.min_entropy, source.sample_bits).feed(samples)
    assert source.read(64) != source.read(64)
    assert not source.simulated


def test_a_file_is_read_once_through_and_then_over(tmp_path):
    file = tmp_path / "noise"
    file.write_bytes(bytes(range(200)))
    source = device_noise(context(f"{file}@2"))
    assert source.min_entropy == 2.0
    assert source.read(120) == bytes(range(120))
    assert source.read(120) == bytes(range(120, 200))
    assert source.read(120) == b""


def test_a_device_that_has_nothing_yet_is_waited_for(tmp_path, monkeypatch):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    keeper = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    try:
        monkeypatch.setattr("phalanx.adapters.keys._noise.NOISE_WAIT_S", 0)
        monkeypatch.setattr("phalanx.adapters.keys._noise.time.sleep", lambda _: os.write(keeper, b"xy"))
        assert DeviceNoise(str(fifo), 1.0).read(4) == b"xyxy"
    finally:
        os.close(keeper)


@pytest.mark.parametrize("path", ["/nowhere/at/all", "/"])
def test_a_device_that_is_not_there_is_a_typed_error(path):
    with pytest.raises(SourceFailed) as caught:
        DeviceNoise(path, 1.0).read(4)
    assert (caught.value.source, caught.value.test) == (f"device:{path}", "reading")


@pytest.mark.parametrize(
    ("factory", "argument"),
    [
        (os_noise, "x"), (jitter_noise, "fast"), (device_noise, ""), (device_noise, "@4"),
        (device_noise, "/dev/x@9"), (device_noise, "/dev/x@zero"), (simulated_qrng, "often"), (simulated_qrng, "1.2"),
    ],
)  # fmt: skip
def test_arguments_that_mean_nothing_are_refused(factory, argument):
    with pytest.raises(InvalidInput):
        factory(context(argument))


def test_arguments_that_do():
    assert simulated_qrng(context("0.3")).simulated
    assert device_noise(context("/dev/x")).min_entropy == 4.0
    assert jitter_noise(context()).name == "jitter"
    assert os_noise(context()).name == "os"
