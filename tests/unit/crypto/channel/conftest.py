import pytest

from phalanx.testing import ChannelLab


@pytest.fixture
def lab():
    return ChannelLab()
