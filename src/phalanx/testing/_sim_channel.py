"""Simulation ``channel``: three endpoints that talk over a network which loses, doubles, overtakes, damages and lies.

Endpoints open channels, send, rekey, close, crash and revoke each other, while somebody on the
network repeats old datagrams, delivers them to the wrong place, forges closes, and seals frames
under keys that were stolen after their time. A second part sends over a stream that is cut or
changed. What must hold is in ``_channel_checker``; in the end the network heals, and two of
them must be able to talk. Handshakes, ciphers and ratchet are the real ones; most seeds sign with
Ed25519 and agree with X25519 alone, because it is not the signatures that are tried here.
"""

import hashlib
import heapq
from collections.abc import Callable, Sequence
from itertools import count

from phalanx.core import NS_PER_MS, NS_PER_S, PhalanxError, Rng
from phalanx.crypto import (
    AES_256_GCM,
    CHACHA20_POLY1305,
    ED25519,
    ED25519_ML_DSA_65,
    X25519,
    X25519_ML_KEM_768,
)
from phalanx.crypto.channel import (
    ChannelClosed,
    ChannelPolicy,
    Delivered,
    Effect,
    Ended,
    Endpoint,
    Failed,
    HandshakeFailed,
    Opened,
    Psk,
    PskMode,
    Session,
    Suite,
    Transmit,
)
from phalanx.testing._channel_checker import (
    CONTROL_KIND,
    DATA_KINDS,
    EPOCH,
    CipherWatch,
    DatagramChecker,
    watched_ciphers,
)
from phalanx.testing._channel_stream import PEOPLE, damaged, keys_of, party_of, play_stream
from phalanx.testing._checking import Checker, SimReport, Simulation
from phalanx.testing._faults import NetworkFaults
from phalanx.testing._sources import SimEntropy

NAME = "channel"
_ACTIONS = 36
_PAUSE_MEAN_MS = 120.0
_TICK_BUSY_MS, _TICK_IDLE_MS = 200, 1_000
_HYBRID_EVERY = 32
# Longer than a half-open handshake lives; some runs wait until silence is noticed, too.
_HEALED_MS, _SILENCE_MS = 12_000, 25_000
_KEPT_DATAGRAMS = 64
_PSK = Psk(b"shared", bytes(range(32)))


class _World:
    """The endpoints, the network between them, and virtual time."""

    def __init__(self, seed: int, checker: Checker, watch: CipherWatch) -> None:
        self.rng = Rng(seed).child("channel")
        self.checker = checker
        self.watch = watch
        self.now_ns = 0
        self.steps = 0
        self.trace = hashlib.sha256()
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = count()
        self._labels = count()
        plan = self.rng.child("plan")
        self._net = self.rng.child("network")
        self.faults = NetworkFaults(
            loss=plan.uniform(0, 0.25), duplication=plan.uniform(0, 0.2), reordering=plan.uniform(0, 0.5),
            delay_mean_ms=plan.exponential(40.0), delay_max_ms=2_000.0,
        )  # fmt: skip
        self.damage = plan.uniform(0, 0.1)
        hybrid = seed % _HYBRID_EVERY == 0
        algorithm, kem = (ED25519_ML_DSA_65, X25519_ML_KEM_768) if hybrid else (ED25519, X25519)
        self.names = PEOPLE if plan.chance(0.3) else PEOPLE[:2]
        self.policy = ChannelPolicy(
            suites=(Suite(kem, plan.choice((AES_256_GCM, CHACHA20_POLY1305))),),
            signatures=(algorithm,),
            psk=plan.choice(list(PskMode)),
            rekey_frames=plan.integer(2, 30),
            rekey_age_s=plan.uniform(1, 10),
            replay_window=plan.integer(1, 24),
            channel_age_s=plan.uniform(20, 60),
        )
        self._keys = dict(zip(PEOPLE, keys_of(algorithm), strict=True))
        self.fingerprints = {name: key.public.fingerprint for name, key in self._keys.items()}
        self.judge = DatagramChecker(checker, {fingerprint: name for name, fingerprint in self.fingerprints.items()})
        self._lives = count()
        self.endpoints = {name: self._endpoint(name) for name in self.names}
        self._dialling: dict[tuple[str, str], int] = {}
        self._old: list[tuple[str, str, bytes]] = []

    def _endpoint(self, name: str) -> Endpoint:
        names, revoked = self.judge.names, self.judge.revoked
        party = party_of(self._keys[name], lambda fingerprint: (name, names[fingerprint]) in revoked)
        entropy = SimEntropy(self.rng.child(f"entropy {next(self._lives)}"))
        return Endpoint(party, self.policy, entropy, find_psk=_find_psk, max_channels=3)

    def at(self, at_ns: int, act: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (at_ns, next(self._numbers), act))

    def run_until(self, until_ns: int) -> None:
        while self._queue and self._queue[0][0] <= until_ns:
            self.now_ns, _, act = heapq.heappop(self._queue)
            self.steps += 1
            act()
        self.now_ns = until_ns

    def note(self, *what: object) -> None:
        self.trace.update(repr((self.now_ns, *what)).encode())

    def send(self, source: str, target: str, datagram: bytes) -> None:
        faults, net = self.faults, self._net
        self.note(source, "send", target, datagram[0], len(datagram))
        if len(self._old) < _KEPT_DATAGRAMS:
            self._old.append((source, target, datagram))
        else:
            self._old[net.integer(0, _KEPT_DATAGRAMS)] = (source, target, datagram)
        if net.chance(faults.loss):
            return
        for _ in range(2 if net.chance(faults.duplication) else 1):
            delay_ms = min(faults.delay_min_ms + net.exponential(faults.delay_mean_ms), faults.delay_max_ms)
            arrived = datagram
            if net.chance(self.damage):
                arrived = damaged(net, datagram)
            due_ns = self.now_ns + round((delay_ms if net.chance(faults.reordering) else 1.0) * NS_PER_MS)
            self.at(due_ns, lambda arrived=arrived: self.arrive(source, target, arrived))  # type: ignore[misc]

    def arrive(self, source: str, target: str, datagram: bytes) -> None:
        self.carry_out(target, self.endpoints[target].receive(source, datagram, self.now_ns))

    def tick(self) -> None:
        for name, endpoint in self.endpoints.items():
            self.carry_out(name, endpoint.on_time(self.now_ns))
        busy = any(endpoint.is_busy for endpoint in self.endpoints.values())
        self.at(self.now_ns + (_TICK_BUSY_MS if busy else _TICK_IDLE_MS) * NS_PER_MS, self.tick)

    def carry_out(self, where: str, effects: Sequence[Effect]) -> None:
        # What is closed here may be told over there at once, so this comes first.
        for effect in effects:
            if isinstance(effect, Ended) and "other side" not in effect.why.reason:
                self.judge.closing(where, effect.session)
        for effect in effects:
            match effect:
                case Transmit(address, datagram):
                    self.send(where, address, datagram)
                    continue
                case Opened():
                    self.judge.opened(where, effect)
                case Delivered():
                    self.judge.delivered(where, effect)
                case Ended():
                    self.judge.ended(where, effect)
            if isinstance(effect, Opened | Failed) and effect.dial is not None:
                self._dialling.pop((where, effect.address), None)
            self.note(where, type(effect).__name__, effect.address)

    def act(self, rng: Rng) -> None:
        source, target = rng.sample(self.names, 2)
        acts: tuple[tuple[Callable[[Rng, str, str], None], float], ...] = (
            (self.talk, 60), (self.rekey, 6), (self.close, 4), (self.crash, 3), (self.revoke, 1.5), (self.repeat, 20),
            (self.misdeliver, 6), (self.forge_close, 5), (self.use_stolen_key, 8),
        )  # fmt: skip
        rng.weighted([one for one, _ in acts], [weight for _, weight in acts])(rng, source, target)

    def session(self, source: str, target: str) -> Session | None:
        return self.endpoints[source].find(target, self.fingerprints[target])

    def talk(self, rng: Rng, source: str, target: str) -> None:
        session = self.session(source, target)
        if session is None:
            if (source, target) not in self._dialling:
                self.dial(source, target)
            return
        n = 1 if rng.chance(0.7) else rng.integer(2, 9)
        payloads = [b"%s>%s %d" % (source.encode(), target.encode(), next(self._labels)) for _ in range(n)]
        if rng.chance(0.3):
            self._note_sent(source, target, session, payloads)
            frames = session.seal_many(payloads)
        else:
            frames = []
            for payload in payloads:
                frames.append(session.seal(payload))
                self._note_sent(source, target, session, [payload])
        for frame in frames:
            self.send(source, target, frame)

    def _note_sent(self, source: str, target: str, session: Session, payloads: list[bytes]) -> None:
        for payload in payloads:
            self.judge.sent(source, target, session, payload)
            self.checker.count("payloads sent")

    def dial(self, source: str, target: str) -> None:
        psks = [_PSK] if self.policy.psk is not PskMode.NONE else []
        number, effects = self.endpoints[source].connect(target, self.now_ns, peer=self.fingerprints[target], psks=psks)
        self._dialling[source, target] = number
        self.carry_out(source, effects)

    def rekey(self, _: Rng, source: str, target: str) -> None:
        if (session := self.session(source, target)) is not None:
            self.send(source, target, session.rekey())
            self.checker.count("rekeys")

    def close(self, _: Rng, source: str, target: str) -> None:
        if (session := self.session(source, target)) is not None:
            self.carry_out(source, self.endpoints[source].close(session))

    def crash(self, _: Rng, source: str, target: str) -> None:  # noqa: ARG002 - one goes, whoever it talked to
        self.judge.crashed(source)
        self.endpoints[source] = self._endpoint(source)
        self._dialling = {key: number for key, number in self._dialling.items() if key[0] != source}
        self.checker.count("crashes")

    def revoke(self, rng: Rng, source: str, target: str) -> None:
        self.judge.revoked.add((source, target))
        endpoint = self.endpoints[source]
        self.carry_out(source, endpoint.recheck() if rng.chance(0.5) else endpoint.revoke(self.fingerprints[target]))
        self.checker.count("revocations")

    def repeat(self, rng: Rng, _: str, __: str) -> None:
        if self._old:
            self.arrive(*rng.choice(self._old))

    def misdeliver(self, rng: Rng, source: str, target: str) -> None:
        if self._old:
            self.arrive(source, target, rng.choice(self._old)[2])

    def forge_close(self, rng: Rng, _: str, __: str) -> None:
        frames = [one for one in self._old if one[2][0] in DATA_KINDS]
        if frames:
            source, target, frame = rng.choice(frames)
            self.arrive(source, target, bytes((CONTROL_KIND,)) + frame[1:])

    def use_stolen_key(self, rng: Rng, _: str, __: str) -> None:
        """Seal with a key after its time, at a number far beyond those that it sealed."""
        frames = [one for one in self._old if one[2][0] in DATA_KINDS and one[2][: EPOCH.stop] in self._past()]
        if frames:
            source, target, frame = rng.choice(frames)
            header = frame[: EPOCH.stop] + (1_000_000 + next(self._numbers)).to_bytes(8)
            seal, iv = self.watch.stolen[frame[: EPOCH.stop]]
            nonce = (iv ^ int.from_bytes(header[EPOCH.stop :])).to_bytes(12)
            self.arrive(source, target, header + seal(nonce, b"forged", header))
            self.checker.count("stolen keys used")

    def _past(self) -> set[bytes]:
        """Headers of epochs that are over: their receiver is known to have moved on."""
        past: set[bytes] = set()
        for endpoint in self.endpoints.values():
            for name in self.names:
                session = endpoint.find(name, self.fingerprints[name])
                if session is not None:
                    receiver = bytes((16,)) + session.agreed.local_id
                    past |= {receiver + epoch.to_bytes(4) for epoch in range(session.epochs[1])}
        return past


def _find_psk(psk_id: bytes) -> bytes | None:
    return _PSK.secret if psk_id == _PSK.id else None


def _talk_in_the_end(world: _World) -> None:
    """Whatever happened before: on a network that works, a pair finds a channel and is heard."""
    world.faults, world.damage = NetworkFaults(reordering=0.0), 0.0
    world.judge.revoked.clear()
    rng = world.rng.child("end")
    world.run_until(world.now_ns + (_SILENCE_MS if rng.chance(0.2) else _HEALED_MS) * NS_PER_MS)
    source, target = rng.sample(world.names, 2)
    if (session := world.session(source, target)) is not None:
        # It may be one that the other side lost in a crash.
        world.carry_out(source, world.endpoints[source].close(session))
    world.dial(source, target)
    world.run_until(world.now_ns + NS_PER_S)
    before = world.checker.counts.get("payloads delivered", 0)
    world.talk(rng, source, target)
    world.run_until(world.now_ns + NS_PER_S)
    heard = world.checker.counts.get("payloads delivered", 0) > before
    world.checker.require(heard, "a healed network does not let them talk", source, target)


def _play(world: _World) -> None:
    rng = world.rng.child("actions")
    world.tick()
    at_ns = 0
    for _ in range(_ACTIONS):
        at_ns += round(rng.exponential(_PAUSE_MEAN_MS) * NS_PER_MS)
        world.run_until(at_ns)
        world.act(rng)
    _talk_in_the_end(world)


def channel_simulation() -> Simulation:
    """The simulation. Tests plant bugs in the room itself, and see them found."""

    def run(seed: int) -> SimReport:
        checker = Checker()
        with watched_ciphers(checker) as watch:
            world = _World(seed, checker, watch)
            try:
                _play(world)
                play_stream(seed, checker)
            except (PhalanxError, ChannelClosed, HandshakeFailed) as error:
                checker.violation(f"the run failed with {type(error).__name__}: {error}")
        return checker.report(
            NAME, seed, digest=world.trace.hexdigest(), steps=world.steps, virtual_ms=world.now_ns / NS_PER_MS
        )

    return Simulation(NAME, "channels over a network that loses, lies and repeats, between endpoints that crash", run)
