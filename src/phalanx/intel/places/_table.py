"""A table of networks and where they are: read from CSV, checked row by row, looked up by the longest prefix.

Columns by name, in any order: ``network``, ``latitude``, ``longitude``, and, if they are there, ``radius_km`` (or
``accuracy_radius``) and ``name``. A row without coordinates says that nobody knows where the network is, such as the
way out of a VPN, whatever a wider network says. Networks may nest; IPv6 counts by its first 64 bits.
"""

import csv
import hashlib
import io
import ipaddress
import math
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from phalanx.core import InvalidInput, LimitExceeded
from phalanx.intel.places._limits import (
    DEFAULT_RADIUS_KM,
    MAX_NAME_CHARS,
    MAX_NETWORKS,
    MAX_RADIUS_KM,
    MAX_TOLD,
    MEMO_ADDRESSES,
)

_EARTH_KM: Final = 6_371.0
_V6_SHIFT: Final = 64
_NEEDED: Final = ("network", "latitude", "longitude")
_RADIUS: Final = ("radius_km", "accuracy_radius")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Place(NamedTuple):
    """Somewhere within ``radius_km`` of a point."""

    latitude: float
    longitude: float
    radius_km: float
    name: str = ""

    def apart_km(self, other: "Place") -> float:
        """The least distance between two places: along the great circle, less what is not known of both."""
        one, two = math.radians(self.latitude), math.radians(other.latitude)
        half = (
            math.sin((two - one) / 2) ** 2
            + math.cos(one) * math.cos(two) * math.sin(math.radians(other.longitude - self.longitude) / 2) ** 2
        )
        distance = 2 * _EARTH_KM * math.asin(min(1.0, math.sqrt(half)))
        return max(0.0, distance - self.radius_km - other.radius_km)

    @property
    def told(self) -> str:
        return self.name or f"{self.latitude:.1f}, {self.longitude:.1f}"


class RefusedRow(NamedTuple):
    """A row that cannot be used, by its line in the file, and why."""

    line: int
    reason: str


class PlaceTable:
    """Disjoint runs of addresses in order, each with its place or none."""

    def __init__(self, networks: Sequence[tuple[Network, Place | None]]) -> None:
        self.networks = len(networks)
        self._runs: dict[int, tuple[list[int], list[Place | None]]] = {}
        for version in (4, 6):
            own = [(*_span(network), place) for network, place in networks if network.version == version]
            # Networks nest or are apart: of those that begin together the wider comes first.
            own.sort(key=lambda span: (span[0], -span[1]))
            self._runs[version] = _flattened(own)

    def at(self, address: Address) -> Place | None:
        """Where ``address`` is; None when nobody said."""
        starts, places = self._runs[address.version]
        number = int(address) >> (_V6_SHIFT if address.version == 6 else 0)
        run = bisect_right(starts, number) - 1
        return places[run] if run >= 0 else None


class PlacesRead(NamedTuple):
    """A table, how many rows it has no use for, and the first of them."""

    table: PlaceTable
    located: int
    refused: int
    told: tuple[RefusedRow, ...]
    digest: str


def read_places(data: bytes) -> PlacesRead:
    """The table in ``data``. Raises ``InvalidInput`` when it has not the columns, ``LimitExceeded`` when it is long."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput("places", "the table is not UTF-8") from error
    rows = csv.DictReader(io.StringIO(text, newline=""))
    try:
        names = [name.strip().lower() for name in rows.fieldnames or ()]
        if missing := [name for name in _NEEDED if name not in names]:
            raise InvalidInput("places", f"the first line names no column {', '.join(missing)}")
        rows.fieldnames = names
        known: dict[Network, Place | None] = {}
        told: list[RefusedRow] = []
        refused = 0
        for row in rows:
            try:
                network, place = _row(row)
                if network in known:
                    raise InvalidInput("network", f"{network} was there before")
                known[network] = place
            except InvalidInput as error:
                refused += 1
                if len(told) < MAX_TOLD:
                    told.append(RefusedRow(rows.line_num, error.message))
            if len(known) > MAX_NETWORKS:
                raise LimitExceeded("networks", maximum=MAX_NETWORKS, seen=len(known))
    except csv.Error as error:
        raise InvalidInput("places", f"line {rows.line_num} is no CSV: {error}") from error
    located = sum(place is not None for place in known.values())
    digest = hashlib.sha256(data).hexdigest()
    return PlacesRead(PlaceTable(list(known.items())), located, refused, tuple(told), digest)


@lru_cache(MEMO_ADDRESSES)
def network_of(text: str) -> tuple[Address, str, bool] | None:
    """The address that ``text`` is, the neighbourhood that it belongs to, and whether that is public; None for none.

    Who is in one /24 (IPv6: /48) is taken to be in one place, whatever is known of where that is.
    """
    try:
        address = ipaddress.ip_address(text.strip("[] ").partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    near = ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False)
    return address, str(near), address.is_global


def _row(row: dict[str, str]) -> tuple[Network, Place | None]:
    try:
        network = ipaddress.ip_network((row["network"] or "").strip())
    except ValueError as error:
        raise InvalidInput("network", str(error)) from None
    if network.version == 6 and network.prefixlen > _V6_SHIFT:
        raise InvalidInput("network", f"{network} is narrower than /64, which is the narrowest that is told apart")
    where = [(row[name] or "").strip() for name in ("latitude", "longitude")]
    if not any(where):
        return network, None
    latitude = _number("latitude", where[0], 90.0)
    longitude = _number("longitude", where[1], 180.0)
    radius = next((row[name].strip() for name in _RADIUS if row.get(name)), "")
    radius_km = _number("radius_km", radius, MAX_RADIUS_KM, least=0.0) if radius else DEFAULT_RADIUS_KM
    return network, Place(latitude, longitude, radius_km, (row.get("name") or "").strip()[:MAX_NAME_CHARS])


def _number(field: str, text: str, most: float, *, least: float | None = None) -> float:
    try:
        number = float(text)
    except ValueError:
        raise InvalidInput(field, f"{text[:20]!r} is not a number") from None
    if not (-most if least is None else least) <= number <= most:
        raise InvalidInput(field, f"{text[:20]} is out of its range")
    return number


def _span(network: Network) -> tuple[int, int]:
    shift = _V6_SHIFT if network.version == 6 else 0
    return int(network.network_address) >> shift, int(network.broadcast_address) >> shift


def _flattened(spans: Sequence[tuple[int, int, Place | None]]) -> tuple[list[int], list[Place | None]]:
    """Nested spans, wider ones first, as starts of runs and what holds in each: the narrowest around it."""
    starts: list[int] = []
    places: list[Place | None] = []
    around: list[tuple[int, Place | None]] = []

    def begin(at: int, place: Place | None) -> None:
        if starts and starts[-1] == at:
            places[-1] = place
        else:
            starts.append(at)
            places.append(place)

    def end(before: int | None) -> None:
        while around and (before is None or around[-1][0] < before):
            last, _ = around.pop()
            begin(last + 1, around[-1][1] if around else None)

    for first, last, place in spans:
        end(first)
        around.append((last, place))
        begin(first, place)
    end(None)
    return starts, places
