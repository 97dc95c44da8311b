"""What is made of answers of vendors that are not as one would like them."""

import pytest

from phalanx.adapters.providers._http import Unanswered, VendorHttp, is_private
from phalanx.core import NotFound, Overloaded, Unavailable
from phalanx.devices import VendorAway
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


class Answering:
    """It says the same to everybody."""

    def __init__(self, *given):
        self.kept, self.given = [], Given(*given)

    def answer(self, asked):
        self.kept.append(asked.path)
        return self.given


def asked_of(product, method, path, **how):
    async def main(world):
        with PeerServer(product) as server:
            http = VendorHttp("a vendor", server.url, world.clock, world.offload)
            return await http.ask(method, path, headers={}, **how)

    return SimWorld(1).run(main)


@pytest.mark.parametrize("until", ["9" * 400, "9" * 20, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_nobody_is_kept_away_for_longer_than_an_hour(until):
    with pytest.raises(Overloaded) as told:
        asked_of(Answering(429, b"", {"Retry-After": until}), "POST", "/", once=True)
    assert told.value.retry_after_s == 3_600


@pytest.mark.parametrize("until", ["Mon, 01 Jan 0001 00:00:00 +2359", "Mon, 01 Jan 9999 00:00:00 -99999999"])
def test_a_moment_that_is_none_is_not_waited_for(until):
    with pytest.raises(Overloaded) as told:
        asked_of(Answering(429, b"", {"Retry-After": until}), "POST", "/", once=True)
    assert told.value.retry_after_s == 1


def test_what_is_not_there_is_told_without_the_signature_of_its_link():
    with pytest.raises(NotFound) as told:
        asked_of(Answering(404, b""), "GET", "/shelf/result?X-Amz-Signature=SECRET")
    assert str(told.value) == "a vendor knows no '/shelf/result'"
    assert "SECRET" not in f"{told.value!r} {told.value.hint} {told.value.context}"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [(200, b"<html>", Unanswered), (201, b"[" * 100_000, Unanswered), (500, b"", Unanswered), (502, b"", Unanswered),
     (520, b"", Unanswered), (503, b"", VendorAway)],
)  # fmt: skip
def test_what_starts_something_may_have_started_it_unless_the_vendor_takes_nothing(status, body, kind):
    product = Answering(status, body)
    with pytest.raises(Unavailable) as told:
        asked_of(product, "POST", "/jobs", body={}, once=True)
    assert type(told.value) is kind
    assert product.kept == ["/jobs"]
    with pytest.raises(Unavailable) as told:
        asked_of(product, "GET", "/jobs")
    assert not isinstance(told.value, Unanswered), "a question changes nothing"


@pytest.mark.parametrize(
    ("url", "private"),
    [("https://apis.example.org", True), ("http://127.0.0.1:80/v1", True), ("http://localhost", True),
     ("http://apis.example.org", False), ("http://localhost.example.org", False),
     ("http://127.0.0.1.example.org", False),
     ("ftp://localhost", False)],
)  # fmt: skip
def test_credentials_go_where_nobody_reads_them_on_the_way(url, private):
    assert is_private(url) is private
