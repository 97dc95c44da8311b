"""One address that speaks with many: its bounds, its cookies, its revocations."""

from collections import deque

import pytest

from phalanx.core import NS_PER_S, LimitExceeded
from phalanx.crypto import ED25519, ML_DSA_44, CryptoPolicy
from phalanx.crypto.channel import (
    ChannelClosed,
    ChannelPolicy,
    Delivered,
    Ended,
    Endpoint,
    Failed,
    HandshakeTimeout,
    Opened,
    PeerRefused,
    Transmit,
)
from phalanx.crypto.channel._messages import HELLO, Hello, read, wire


class Net:
    """Endpoints joined by a network that delivers at once, or what a test lets through."""

    def __init__(self, lab, *names, **options):
        self.lab = lab
        self.now_ns = 0
        self.endpoints = {name: self.endpoint(name, **options) for name in names}
        self.events = {name: [] for name in names}
        self.seen = []

    def endpoint(self, name, **options):
        return Endpoint(self.lab.people.party(name), self.lab.policy, self.lab.entropy(), **options)

    def run(self, name, effects, through=lambda source, target, datagram: True):
        todo = deque((name, effect) for effect in effects)
        while todo:
            source, effect = todo.popleft()
            if not isinstance(effect, Transmit):
                self.events[source].append(effect)
                continue
            self.seen.append((source, effect.address, effect.datagram))
            if effect.address in self.endpoints and through(source, effect.address, effect.datagram):
                got = self.endpoints[effect.address].receive(source, effect.datagram, self.now_ns)
                todo.extend((effect.address, one) for one in got)

    def connect(self, source, target, **more):
        number, effects = self.endpoints[source].connect(
            target, self.now_ns, peer=self.lab.people.fingerprint(target), **more
        )
        self.run(source, effects)
        return number

    def session(self, source, target):
        return self.endpoints[source].find(target, self.lab.people.fingerprint(target))

    def say(self, source, target, payload):
        self.run(source, [Transmit(target, self.session(source, target).seal(payload))])

    def later(self, seconds):
        self.now_ns += round(seconds * NS_PER_S)
        for name, endpoint in self.endpoints.items():
            self.run(name, endpoint.on_time(self.now_ns))

    def of(self, name, kind):
        return [event for event in self.events[name] if isinstance(event, kind)]


@pytest.mark.requirement("MSG-2")
def test_two_endpoints_find_each_other_over_one_channel(lab):
    net = Net(lab, "ada", "bob")
    number = net.connect("ada", "bob")
    assert net.of("ada", Opened)[0].dial == number
    assert net.of("bob", Opened)[0].dial is None
    net.say("ada", "bob", b"hello")
    net.say("bob", "ada", b"hello yourself")  # over the channel that ada began
    assert net.of("bob", Delivered)[0].payloads == (b"hello",)
    assert net.of("ada", Delivered)[0].payloads == (b"hello yourself",)
    assert net.endpoints["ada"].counts == net.endpoints["bob"].counts == {"channels": 1, "dials": 0, "half_open": 0}


def test_before_the_cookie_nothing_is_kept_or_worked_for_and_less_is_sent_than_came(lab, monkeypatch):
    net = Net(lab, "ada", "bob")
    _, effects = net.endpoints["ada"].connect("bob", 0, peer=lab.people.fingerprint("bob"))
    hello = effects[0].datagram
    with monkeypatch.context() as patch:
        patch.setattr("phalanx.crypto.channel._endpoint.Responder", lambda *_, **__: pytest.fail("work was done"))
        for _ in range(3):
            (answer,) = net.endpoints["bob"].receive("ada", hello, 0)
            assert len(answer.datagram) <= len(hello)
        assert net.endpoints["bob"].counts["half_open"] == 0
        retry = answer.datagram
        with_cookie = net.endpoints["ada"].receive("bob", retry, 0)[0].datagram
        # The cookie is this address's, this offer's and of this time.
        assert net.endpoints["bob"].receive("eve", with_cookie, 0)[0].datagram[0] == 2
        assert net.endpoints["bob"].receive("ada", with_cookie, 121 * NS_PER_S)[0].datagram[0] == 2
    assert net.endpoints["bob"].receive("ada", with_cookie, 59 * NS_PER_S)[0].datagram[0] == 3
    short = wire(HELLO, bytes(8), Hello(b"", b"", ()))
    assert net.endpoints["bob"].receive("ada", short, 0) == []


def test_half_open_handshakes_are_bounded_and_expire(lab):
    net = Net(lab, "bob", max_half_open=10)
    bob = net.endpoints["bob"]

    def begin(address):
        ada = net.endpoint("ada")
        hello = ada.connect("bob", net.now_ns, peer=lab.people.fingerprint("bob"))[1][0].datagram
        retry = bob.receive(address, hello, net.now_ns)[0].datagram
        return bob.receive(address, ada.receive("bob", retry, net.now_ns)[0].datagram, net.now_ns)[0].datagram[0]

    assert [begin("one") for _ in range(6)] == [3, 3, 3, 3, 5, 5]
    assert [begin(f"host {n}") for n in range(8)] == [3] * 6 + [5] * 2
    assert bob.counts["half_open"] == 10
    assert bob.refused == {"too many half-open": 4}
    net.later(10)
    assert bob.counts["half_open"] == 0
    assert bob._waiting_at == bob._hellos == {}
    assert begin("one") == 3


def test_dials_are_bounded_and_end_in_time(lab):
    net = Net(lab, "ada")
    for _ in range(256):
        net.endpoints["ada"].connect("nowhere", 0, peer=lab.people.fingerprint("nowhere"))
    with pytest.raises(LimitExceeded, match="MAX_DIALS"):
        net.endpoints["ada"].connect("nowhere", 0, peer=lab.people.fingerprint("nowhere"))
    net.later(10)
    failed = net.of("ada", Failed)
    assert len(failed) == 256
    assert isinstance(failed[0].error, HandshakeTimeout)
    assert net.endpoints["ada"].counts["dials"] == 0


def test_the_least_recently_used_channel_makes_room(lab):
    net = Net(lab, "ada", "bob", "cyd", "dan", max_channels=2)
    net.connect("ada", "bob")
    net.connect("ada", "cyd")
    assert net.session("ada", "bob")  # finding is using
    net.connect("ada", "dan")
    (ended,) = net.of("ada", Ended)
    assert ended.session.peer == lab.people.fingerprint("cyd")
    assert "other side closed" in net.of("cyd", Ended)[0].why.reason
    net.say("bob", "ada", b"still there")
    assert net.endpoints["ada"].counts["channels"] == 2


def test_a_peer_that_comes_back_replaces_its_old_channel(lab):
    net = Net(lab, "ada", "bob")
    net.connect("ada", "bob")
    old = net.session("bob", "ada")
    net.endpoints["ada"] = net.endpoint("ada")  # a crash
    net.connect("ada", "bob")
    assert "newer" in old.ended.reason
    net.say("bob", "ada", b"welcome back")
    assert net.of("ada", Delivered)
    assert net.endpoints["bob"].counts["channels"] == 1


def test_both_may_call_at_once(lab):
    net = Net(lab, "ada", "bob")
    _, first = net.endpoints["ada"].connect("bob", 0, peer=lab.people.fingerprint("bob"))
    _, second = net.endpoints["bob"].connect("ada", 0, peer=lab.people.fingerprint("ada"))
    net.run("ada", first)
    net.run("bob", second)
    assert not net.of("ada", Ended) + net.of("bob", Ended)
    net.say("ada", "bob", b"x")
    net.say("bob", "ada", b"y")
    assert len(net.of("ada", Delivered)) == len(net.of("bob", Delivered)) == 1


@pytest.mark.parametrize("lost_kind", [1, 2, 3, 4, 18])
def test_any_message_may_be_lost_and_the_handshake_completes(lab, lost_kind):
    net = Net(lab, "ada", "bob")
    lost = []

    def through(source, target, datagram):
        if datagram[0] == lost_kind and len(lost) < 2:
            lost.append(datagram)
            return False
        return True

    _, effects = net.endpoints["ada"].connect("bob", 0, peer=lab.people.fingerprint("bob"))
    net.run("ada", effects, through)
    for _ in range(6):
        net.now_ns += NS_PER_S
        for name in ("ada", "bob"):
            net.run(name, net.endpoints[name].on_time(net.now_ns), through)
    assert len(lost) == 2
    assert len(net.of("ada", Opened)) == len(net.of("bob", Opened)) == 1
    net.say("ada", "bob", b"x")
    assert net.of("bob", Delivered)


def test_a_first_frame_that_overtakes_the_confirmation_confirms_too(lab):
    net = Net(lab, "ada", "bob")
    held = []

    def through(source, target, datagram):
        if datagram[0] == 18:
            held.append(datagram)
        return datagram[0] != 18

    _, effects = net.endpoints["ada"].connect("bob", 0, peer=lab.people.fingerprint("bob"))
    net.run("ada", effects, through)
    session = net.of("bob", Opened)[0].session
    net.run("bob", [Transmit("ada", session.seal(b"early"))])
    assert net.of("ada", Delivered)[0].payloads == (b"early",)
    net.run("bob", [Transmit("ada", held[0])])
    assert len(net.of("ada", Opened)) == 1


def test_a_finish_is_confirmed_again_only_while_it_may_have_been_lost(lab):
    net = Net(lab, "ada", "bob")
    net.connect("ada", "bob")
    (finish,) = [datagram for _, _, datagram in net.seen if datagram[0] == 4]
    bob = net.endpoints["bob"]
    assert [effect.datagram[0] for effect in bob.receive("ada", finish, 0)] == [18]
    assert bob.receive("ada", finish[:-1] + b"x", 0) == []
    net.say("ada", "bob", b"x")
    assert bob.receive("ada", finish, 0) == []


@pytest.mark.requirement("MSG-2")
@pytest.mark.parametrize("how", ["revoke", "recheck"])
def test_a_revoked_peer_is_cut_off_at_once(lab, how):
    net = Net(lab, "ada", "bob", "cyd")
    net.connect("ada", "bob")
    net.connect("cyd", "bob")
    session = net.session("ada", "bob")
    frame = session.seal(b"too late")
    lab.people.revoked.add("ada")
    bob = net.endpoints["bob"]
    net.run("bob", bob.revoke(lab.people.fingerprint("ada")) if how == "revoke" else bob.recheck())
    assert net.session("bob", "ada") is None
    assert bob.receive("ada", frame, 0) == []
    assert session.ended is not None  # and ada was told
    net.say("cyd", "bob", b"unharmed")
    net.connect("ada", "bob")
    assert isinstance(net.of("ada", Failed)[0].error, PeerRefused)
    assert bob.counts == {"channels": 1, "dials": 0, "half_open": 0}


def test_a_revocation_also_stops_a_dial_that_waits_for_its_confirmation(lab):
    net = Net(lab, "ada", "bob")
    _, effects = net.endpoints["ada"].connect("bob", 0, peer=lab.people.fingerprint("bob"))
    net.run("ada", effects, lambda source, target, datagram: datagram[0] != 18)
    assert not net.of("ada", Opened)
    net.run("ada", net.endpoints["ada"].revoke(lab.people.fingerprint("bob")))
    assert isinstance(net.of("ada", Failed)[0].error, PeerRefused)
    net.later(1)
    assert not net.of("ada", Opened)


def test_closing_everything_ends_everything(lab):
    net = Net(lab, "ada", "bob")
    net.connect("ada", "bob")
    net.endpoints["ada"].connect("nowhere", 0, peer=lab.people.fingerprint("nowhere"))
    net.run("ada", net.endpoints["ada"].close_all())
    assert net.endpoints["ada"].counts == {"channels": 0, "dials": 0, "half_open": 0}
    assert net.of("ada", Failed)
    assert isinstance(net.of("bob", Ended)[0].why, ChannelClosed)
    session = net.of("ada", Ended)[0].session
    assert net.endpoints["ada"].close(session) == []


def test_what_belongs_to_no_channel_is_counted_and_dropped(lab):
    net = Net(lab, "ada")
    ada = net.endpoints["ada"]
    for datagram in (b"", b"\x10", bytes((16,)) + bytes(60), bytes((3,)) + bytes(60), bytes(4_000), b"\x01" * 2_000):
        assert ada.receive("eve", datagram, 0) == []
    assert ada.refused == {"malformed": 2, "of no channel": 3, "tampered": 1}


def test_a_half_open_handshake_takes_so_many_forgeries_and_no_more(lab):
    net = Net(lab, "ada", "bob")
    held = []

    def through(source, target, datagram):
        if datagram[0] == 4:
            held.append(datagram)
        return datagram[0] != 4

    _, effects = net.endpoints["ada"].connect("bob", 0, peer=lab.people.fingerprint("bob"))
    net.run("ada", effects, through)
    bob = net.endpoints["bob"]
    for _ in range(16):
        assert bob.counts["half_open"] == 1
        assert bob.receive("ada", held[0][:-1] + bytes((held[0][-1] ^ 1,)), 0) == []
    assert bob.counts["half_open"] == 0
    assert bob.receive("ada", held[0], 0) == []


def test_the_same_id_with_another_offer_is_no_repetition(lab):
    net = Net(lab, "bob")
    bob, ada = net.endpoints["bob"], net.endpoint("ada")
    first = ada.connect("bob", 0, peer=lab.people.fingerprint("bob"))[1][0].datagram
    hello = ada.receive("bob", bob.receive("ada", first, 0)[0].datagram, 0)[0].datagram
    reply = bob.receive("ada", hello, 0)[0].datagram
    assert bob.receive("ada", hello, 0)[0].datagram == reply
    parts = read(hello, HELLO, Hello, hello[1:9])
    changed = wire(HELLO, hello[1:9], Hello(parts.cookie, parts.offer, (bytes(32),)))
    assert bob.receive("ada", changed, 0) == []


def test_what_the_responder_cannot_accept_is_refused_without_keeping_anything(lab):
    net = Net(lab, "ada", "bob")
    net.endpoints["bob"] = Endpoint(
        lab.people.party("bob"), ChannelPolicy(signatures=lab.policy.signatures), lab.entropy()
    )
    net.connect("ada", "bob")
    assert net.endpoints["bob"].refused == {"not acceptable": 1}
    assert net.endpoints["bob"].counts["half_open"] == 0
    net.later(10)
    (failed,) = net.of("ada", Failed)
    assert "none of the suites" in str(failed.error)


def test_a_key_that_the_house_forbids_answers_nobody_and_harms_no_other_channel(lab):
    net = Net(lab, "ada", "bob", "cho")
    net.connect("ada", "bob")
    strict = ChannelPolicy(
        suites=lab.policy.suites, signatures=(ED25519, ML_DSA_44), crypto=CryptoPolicy(frozenset({ED25519}))
    )
    net.endpoints["bob"]._policy = strict
    net.connect("cho", "bob")
    assert net.session("cho", "bob") is None
    assert net.endpoints["bob"].refused == {"forbidden here": 1}
    net.say("ada", "bob", b"still here")
    assert any(isinstance(one, Delivered) for one in net.events["bob"])
