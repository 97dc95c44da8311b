"""Houses whose truth is known: accounts that travel, hosts with office hours, chains of events. Attacks of several
strengths are put into each, and a rule of one line that anybody would write stands beside every detector.

Rates are of attacks; false alarms are hits on what is none, by a million events, after the detector has had its time.
"""

from collections.abc import Callable, Iterator, Sequence
from math import log
from typing import Any, NamedTuple

import numpy as np

from phalanx.core import NS_PER_S, BatchId, EventBatch, LogSource, Rng, TenantId, Value, derive_id
from phalanx.intel import Hit
from phalanx.intel.detectors import CHAIN, OUT, TRAVEL, SequenceDetector, TravelDetector, VolumeDetector
from phalanx.intel.places import Place
from phalanx.learning import wilson

_TENANT = TenantId("bench")
_BEGIN_S = 1_760_313_600  # a Monday, at midnight
_BATCH_ROWS = 128
_HOUR_S, _DAY_S = 3_600.0, 86_400.0
_Row = tuple[float, dict[str, Value]]


class _Attack(NamedTuple):
    """Somebody or something was attacked between two moments."""

    subject: str
    from_s: float
    until_s: float


class _Alarm(NamedTuple):
    subject: str
    at_s: float


def generated(rng: Rng, *, quick: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Figures by kind and strength, and those of the rule of one line."""
    figures: dict[str, Any] = {}
    floors: dict[str, Any] = {}
    for name, measure in (("travel", _travel), ("volume", _volume), ("sequence", _sequence)):
        figures[name], floors[name] = measure(rng.child(name), quick=quick)
    return figures, floors


def batches_of(source: LogSource, rows: Sequence[_Row]) -> Iterator[EventBatch]:
    """Rows in order of time, as the sentinel would have them."""
    for start in range(0, len(rows), _BATCH_ROWS):
        part = rows[start : start + _BATCH_ROWS]
        times = [int((_BEGIN_S + at) * NS_PER_S) for at, _ in part]
        yield EventBatch(
            _TENANT, BatchId(derive_id(times[0], "bench", str(start))), source, "bench", times[-1], range(len(part)),
            times, [b""] * len(part), {name: [fields[name] for _, fields in part] for name in part[0][1]},
        )  # fmt: skip


def _alarms(
    source: LogSource, rows: Sequence[_Row], ask: Callable[[EventBatch], Sequence[Hit]], rule: str
) -> list[_Alarm]:
    return [
        _Alarm(hit.subject, hit.batch.times_ns[hit.place] / NS_PER_S - _BEGIN_S)
        for batch in batches_of(source, rows) for hit in ask(batch) if hit.rule.name == rule
    ]  # fmt: skip


def _scored(alarms: Sequence[_Alarm], attacks: Sequence[_Attack], events: int, after_s: float) -> dict[str, Any]:
    found = set()
    false = 0
    for alarm in alarms:
        hit = next((at for at, one in enumerate(attacks) if _is_of(alarm, one)), None)
        if hit is not None:
            found.add(hit)
        elif alarm.at_s >= after_s:
            false += 1
    rate = wilson(len(found), len(attacks))
    return {
        "detected": round(rate.value, 3), "detected_low": round(rate.low, 3), "detected_high": round(rate.high, 3),
        "attacks": len(attacks), "false_alarms": false,
        "false_alarms_per_million_events": round(false / events * 1e6, 1),
    }  # fmt: skip


def _is_of(alarm: _Alarm, attack: _Attack) -> bool:
    return alarm.subject == attack.subject and attack.from_s <= alarm.at_s <= attack.until_s


class _Globe:
    """Places by the second byte of an address; those of the last are nowhere."""

    def __init__(self, draw: np.random.Generator, cities: int) -> None:
        self.where = [
            Place(float(np.degrees(np.arcsin(draw.uniform(-0.7, 0.85)))), float(draw.uniform(-180, 180)), 25.0)
            for _ in range(cities)
        ]

    def at(self, _: TenantId, address: str) -> Place | None:
        city = int(address.split(".")[1])
        return self.where[city] if city < len(self.where) else None


def _travel(rng: Rng, *, quick: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    users, days = (120, 10) if quick else (400, 20)
    figures: dict[str, Any] = {}
    floors: dict[str, Any] = {}
    for kmh in (500, 1_200, 3_000, 10_000):
        draw = np.random.default_rng(rng.child(str(kmh)).bits(64))
        globe = _Globe(draw, 120)
        rows, attacks = _logons(draw, globe, users, days, float(kmh))
        source = LogSource("linux", "", "sshd")
        detector = TravelDetector(globe)  # type: ignore[arg-type]
        alarms = _alarms(source, rows, detector.evaluate, TRAVEL.name)
        seen: set[tuple[Value, str]] = set()
        plain = []
        for at, fields in rows:
            net = str(fields["src_ip"]).rpartition(".")[0]
            if (fields["user"], net) not in seen:
                seen.add((fields["user"], net))
                plain.append(_Alarm(str(fields["user"]), at))
        after_s = days / 4 * _DAY_S
        events = sum(at >= after_s for at, _ in rows)
        figures[f"{kmh}_kmh"] = _scored(alarms, attacks, events, after_s)
        floors[f"{kmh}_kmh"] = {"new_network": _scored(plain, attacks, events, after_s)}
    return figures, floors


def _logons(
    draw: np.random.Generator, globe: _Globe, users: int, days: int, kmh: float
) -> tuple[list[_Row], list[_Attack]]:  # fmt: skip
    """Everybody logs on from home, from a phone nearby, through a VPN that the table knows or not, and on journeys."""
    rows: list[_Row] = []
    attacks: list[_Attack] = []
    cities = len(globe.where)
    for user in range(users):
        name, home = f"user{user}", int(draw.integers(cities))
        networks = [f"100.{home}.{user % 200}", f"100.{home}.{int(draw.integers(200, 250))}"]
        if user % 10 == 3:
            networks.append("100.250.7")  # a VPN, of which the table says that nobody knows where it is
        if user % 20 == 5:
            networks.append(f"100.{int(draw.integers(cities))}.251")  # and one of which it does not
        journey = (
            (float(draw.uniform(days / 2, days - 3)) * _DAY_S, int(draw.integers(cities))) if user % 6 == 1 else None
        )
        stays: list[tuple[float, int]] = []
        for day in range(days):
            for _ in range(int(draw.poisson(6))):
                at = (day + float(draw.normal(0.55, 0.12)) % 1.0) * _DAY_S
                away = None
                if journey is not None:
                    hours = globe.where[home].apart_km(globe.where[journey[1]]) / 700.0
                    if journey[0] - hours * _HOUR_S < at < journey[0]:
                        continue
                    if journey[0] <= at:
                        away = journey[1]
                net = networks[int(draw.integers(len(networks)))] if away is None else f"100.{away}.{user % 200}"
                rows.append((at, {"user": name, "src_ip": f"{net}.{draw.integers(1, 250)}", "action": "accepted"}))
                if away is None and net in networks[:2]:
                    stays.append((at, home))
        if user % 8 == 0:
            at, city = stays[int(draw.integers(len(stays) // 2, len(stays)))]
            other = int(draw.integers(cities))
            km = globe.where[city].apart_km(globe.where[other])
            gap_s = max(120.0, km / kmh * _HOUR_S)
            if km >= 500 and gap_s < 20 * _HOUR_S:
                stolen = at + gap_s
                # The owner sleeps meanwhile: the time between is what the strength says.
                rows = [row for row in rows if row[1]["user"] != name or not at < row[0] < stolen + _DAY_S]
                rows.append((stolen, {"user": name, "src_ip": f"100.{other}.252.9", "action": "accepted"}))
                attacks.append(_Attack(name, stolen - 1, stolen + 1))
    return sorted(rows, key=lambda row: row[0]), attacks


def _volume(rng: Rng, *, quick: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    hosts, weeks = (60, 3) if quick else (120, 4)
    figures: dict[str, Any] = {}
    floors: dict[str, Any] = {}
    for times in (3, 5, 10, 30):
        draw = np.random.default_rng(rng.child(str(times)).bits(64))
        sizes, attacks = _hours(draw, hosts, weeks, float(times))
        rows: list[_Row] = [
            (hour * _HOUR_S + 600.0 * part, {"id.orig_h": f"10.1.0.{host}", "orig_bytes": float(size / 4)})
            for hour in range(sizes.shape[1]) for part in range(4) for host, size in enumerate(sizes[:, hour])
        ]  # fmt: skip
        alarms = _alarms(LogSource("zeek", "firewall", "conn"), rows, VolumeDetector().evaluate, OUT.name)
        after = (weeks - 1) * 168
        history = sizes[:, :after]
        bars = history.mean(axis=1) + 3.0 * history.std(axis=1)
        plain = [
            _Alarm(f"10.1.0.{host}", hour * _HOUR_S + 1_800.0)
            for host, hour in np.argwhere(sizes > bars[:, None]).tolist() if hour >= after
        ]  # fmt: skip
        events = len(rows) // weeks
        figures[f"{times}_times"] = _scored(alarms, attacks, events, after * _HOUR_S)
        floors[f"{times}_times"] = {"three_sigma": _scored(plain, attacks, events, after * _HOUR_S)}
    return figures, floors


def _hours(draw: np.random.Generator, hosts: int, weeks: int, times: float) -> tuple[Any, list[_Attack]]:
    """Bytes by host and hour: office hours, weekends, nightly backups of every third host, tails that are heavy."""
    hours = weeks * 168
    hour = np.arange(hours)
    office = np.where((hour % 168 < 120) & (hour % 24 >= 8) & (hour % 24 < 18), 1.0, 0.12)
    base = np.exp(draw.normal(log(60e6), 0.8, hosts))
    backup = np.where((hour % 24 == 2)[None, :] & (np.arange(hosts) % 3 == 0)[:, None], 12.0, 0.0)
    sizes = base[:, None] * (office[None, :] + backup) * np.exp(draw.normal(0.0, 0.4, (hosts, hours)))
    # One hour in two thousand somebody downloads or copies something, Pareto.
    rare = draw.random((hosts, hours)) < 0.0005
    sizes += np.where(rare, base[:, None] * (1.0 + draw.pareto(2.0, (hosts, hours))), 0.0)
    attacks = []
    for host in range(0, hosts, 4):
        at = int(draw.integers((weeks - 1) * 168, hours))
        usual = base[host] * (office[at] + backup[host, at])
        sizes[host, at] += max(times * usual, 25e6)
        attacks.append(_Attack(f"10.1.0.{host}", at * _HOUR_S, (at + 1) * _HOUR_S))
    return sizes, attacks


def _sequence(rng: Rng, *, quick: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    hosts, steps = (30, 1_500) if quick else (60, 4_000)
    figures: dict[str, Any] = {}
    floors: dict[str, Any] = {}
    for length in (4, 8, 16, 32):
        draw = np.random.default_rng(rng.child(str(length)).bits(64))
        rows, attacks = _chains(draw, hosts, steps, length)
        source = LogSource("windows", "", "security")
        alarms = [
            alarm._replace(subject=alarm.subject.rpartition(" ")[0])
            for alarm in _alarms(source, rows, SequenceDetector().evaluate, CHAIN.name)
        ]
        seen: set[tuple[Value, Value]] = set()
        before: dict[Value, Value] = {}
        plain = []
        for at, fields in rows:
            host, code = fields["Hostname"], fields["EventID"]
            pair = before.get(host), code
            before[host] = code
            if pair not in seen:
                seen.add(pair)
                plain.append(_Alarm(str(host), at))
        after_s = steps * 60.0 / 2
        events = sum(at >= after_s for at, _ in rows)
        figures[f"{length}_steps"] = _scored(alarms, attacks, events, after_s)
        floors[f"{length}_steps"] = {"new_pair": _scored(plain, attacks, events, after_s)}
    return figures, floors


def _chains(
    draw: np.random.Generator, hosts: int, steps: int, length: int
) -> tuple[list[_Row], list[_Attack]]:  # fmt: skip
    """Every host follows the chains of the house; an attack uses the same codes, one after another at random."""
    codes = [4600 + code for code in range(48)]
    after = {code: draw.dirichlet(np.full(len(codes), 0.06)) for code in codes}
    rows: list[_Row] = []
    attacks = []
    for host in range(hosts):
        name, code = f"ws-{host}", codes[0]
        attacked = int(draw.integers(int(steps * 0.6), steps - 64)) if host % 2 == 0 else -1
        for step in range(steps):
            at = step * 60.0 + host * 0.5
            if attacked <= step < attacked + length and attacked >= 0:
                code = codes[int(draw.integers(len(codes)))]
            else:
                code = codes[int(draw.choice(len(codes), p=after[code]))]
            rows.append((at, {"Hostname": name, "EventID": code}))
        if attacked >= 0:
            attacks.append(_Attack(name, attacked * 60.0, (attacked + length + 12) * 60.0 + hosts))
    return sorted(rows, key=lambda row: row[0]), attacks
