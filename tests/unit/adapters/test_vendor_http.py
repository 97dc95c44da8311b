"""What is made of answers of vendors that are not as one would like them."""

import pytest

from phalanx.adapters._vendor_http import VendorHttp, is_private
from phalanx.core import Overloaded
from phalanx.testing import SimWorld
from phalanx.testing.delivery import Given, PeerServer


class Busy:
    """It says until when, and answers from then on."""

    def __init__(self, until):
        self.kept, self.until = [], until

    def answer(self, asked):
        self.kept.append(asked.path)
        if len(self.kept) > 1:
            return Given(200, b'{"done": true}')
        return Given(429, b"", {"Retry-After": self.until})


@pytest.mark.parametrize(
    ("until", "waits_s"),
    [("7", 7.0), ("Thu, 01 Jan 2026 00:00:42 GMT", 42.0), ("Thu, 01 Jan 2015 00:00:42 GMT", 0.0), ("soon", 0.5)],
)
def test_who_says_when_to_come_back_is_asked_again_then(until, waits_s):
    async def main(world):
        start_s = world.clock.wall_ns() / 1e9
        assert start_s == 1_767_225_600, "the world begins with 2026"
        with PeerServer(Busy(until)) as server:
            http = VendorHttp("a vendor", server.url, world.clock, world.offload)
            assert await http.ask("GET", "/", headers={}) == {"done": True}
            assert world.clock.wall_ns() / 1e9 - start_s == pytest.approx(waits_s, abs=0.01)
            server.product.kept.clear()
            with pytest.raises(Overloaded):
                await http.ask("POST", "/", headers={}, body={}, once=True)

    SimWorld(1).run(main)


@pytest.mark.parametrize(
    ("url", "private"),
    [("https://apis.example.org", True), ("http://127.0.0.1:80/v1", True), ("http://localhost", True),
     ("http://apis.example.org", False), ("http://localhost.example.org", False),
     ("http://127.0.0.1.example.org", False),
     ("ftp://localhost", False)],
)  # fmt: skip
def test_credentials_go_where_nobody_reads_them_on_the_way(url, private):
    assert is_private(url) is private
