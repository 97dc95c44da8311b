"""Flows and handshakes as network sensors tell of them: Zeek, Suricata, and events in OCSF.

A flow goes *outward* when it leaves the house: by Zeek's ``local_orig`` and ``local_resp`` where they are told, else
from a private address to one that is not. A house with public addresses of its own needs the former.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Final, NamedTuple, TypeVar

from phalanx.core import NS_PER_MS, NS_PER_S, EventBatch, Value, ns_from_iso
from phalanx.intel.sigma import as_text
from phalanx.intel.signs._limits import MAX_ADDRESSES_KEPT, MAX_FLOW_NAME_CHARS

T = TypeVar("T")

# Groups as Zeek, OpenSSL and OpenSSH write them.
HYBRID: Final = frozenset({
    "x25519mlkem768", "secp256r1mlkem768", "secp384r1mlkem1024", "x25519kyber768draft00", "mlkem512", "mlkem768",
    "mlkem1024", "mlkem768x25519-sha256", "sntrup761x25519-sha512", "sntrup761x25519-sha512@openssh.com",
})  # fmt: skip
# What is encrypted: as sensors name protocols, and ports where they name none.
_ENCRYPTED: Final = frozenset({"ssl", "tls", "ssh", "quic", "https", "ipsec", "esp", "openvpn", "wireguard"})
_ENCRYPTED_PORTS: Final = frozenset(
    {22, 443, 465, 500, 563, 636, 853, 989, 990, 992, 993, 995, 1194, 4500, 5061, 8443, 51820}
)
# Tunnels that switches, clouds and sensors mirror traffic through: by protocol and by port of UDP.
_TUNNELS: Final = {"gre": "GRE", "47": "GRE"}
_TUNNEL_PORTS: Final = {4789: "VXLAN", 8472: "VXLAN", 6081: "Geneve", 37008: "TZSP"}
_HOUSE: Final = tuple(map(ip_network, (
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4",
    "255.255.255.255/32", "0.0.0.0/32", "::/127", "fc00::/7", "fe80::/10", "ff00::/8",
)))  # fmt: skip
_OLD_TLS: Final = frozenset({"sslv2", "sslv3", "tlsv1", "tlsv10", "tlsv11", "tlsv12", "tls1", "tls10", "tls11", "tls12",
                             "10", "11", "12"})  # fmt: skip
_NETWORK_ACTIVITY: Final = "4001"


class _Shape(NamedTuple):
    """The fields of a flow, by what they say; empty where the source does not."""

    client: str
    server: str
    port: str
    out: tuple[str, ...]
    back: tuple[str, ...]
    protocol: tuple[str, ...]
    application: tuple[str, ...]


class _Talk(NamedTuple):
    """The fields of a handshake: the ends, the group, and the version of TLS."""

    client: str
    server: str
    port: str
    group: tuple[str, ...]
    version: str


_ZEEK_ENDS: Final = ("id.orig_h", "id.resp_h", "id.resp_p")
_EVE_ENDS: Final = ("src_ip", "dest_ip", "dest_port")
_OCSF_ENDS: Final = ("src_endpoint.ip", "dst_endpoint.ip", "dst_endpoint.port")
_FLOWS: Final[Mapping[tuple[str, str], _Shape]] = {
    ("zeek", "conn"): _Shape(
        *_ZEEK_ENDS, ("orig_bytes", "orig_ip_bytes"), ("resp_bytes", "resp_ip_bytes"), ("ip_proto", "proto"),
        ("service",),
    ),
    ("suricata", "flow"): _Shape(
        *_EVE_ENDS, ("flow.bytes_toserver",), ("flow.bytes_toclient",), ("proto",), ("app_proto",)
    ),
    ("", "ocsf"): _Shape(
        *_OCSF_ENDS, ("traffic.bytes_out",), ("traffic.bytes_in",),
        ("connection_info.protocol_num", "connection_info.protocol_name"), ("app_protocol_name", "app_name"),
    ),
}  # fmt: skip
_TALKS: Final[Mapping[tuple[str, str], _Talk]] = {
    ("zeek", "ssl"): _Talk(*_ZEEK_ENDS, ("curve",), "version"),
    ("zeek", "ssh"): _Talk(*_ZEEK_ENDS, ("kex_alg",), ""),
    ("suricata", "tls"): _Talk(*_EVE_ENDS, ("tls.curve", "tls.group"), "tls.version"),
    ("", "ocsf"): _Talk(*_OCSF_ENDS, (), "tls.version"),
}


class Flow(NamedTuple):
    """A connection that is over. Bytes are the client's and the server's; ``tunnel`` names a kind that mirrors use."""

    place: int
    client: str
    server: str
    port: str
    out_bytes: int
    back_bytes: int
    end_s: float
    outward: bool
    encrypted: bool
    tunnel: str

    @property
    def pair(self) -> str:
        return f"{self.client} {self.server} {self.port}"


def handshakes(batch: EventBatch) -> Iterator[tuple[str, str]]:
    """Client, server and port as one text, and on what they agreed: a group, or a version of TLS that has no hybrid
    ones."""
    talk = _of(_TALKS, batch)
    ends = None if talk is None else [batch.columns.get(name) for name in talk[:3]]
    if talk is None or ends is None or ends[0] is None or ends[1] is None or ends[2] is None:
        return
    groups = [batch.columns[name] for name in talk.group if name in batch.columns]
    versions = batch.columns.get(talk.version)
    for place in range(len(batch)):
        group = next((one for column in groups if (one := as_text(column[place]))), "")
        if not group and versions is not None:
            version = as_text(versions[place])
            plain = version.lower().replace(" ", "").replace(".", "").replace("_", "")
            group = version if plain in _OLD_TLS else ""
        names = [_name(column[place]) for column in ends if column is not None]
        if group and group != "-" and names[0] and names[1]:
            yield " ".join(names), _name(group)


def flows(batch: EventBatch) -> Iterator[Flow]:
    """Those of the batch that name both ends and how much they sent."""
    shape = _of(_FLOWS, batch)
    columns = batch.columns
    if shape is None or shape.client not in columns or shape.server not in columns:
        return
    if shape.client == _OCSF_ENDS[0] and "class_uid" not in columns:
        return
    out, back = _first(columns, shape.out), _first(columns, shape.back)
    ends = _ends_s(batch)
    for place, (client, server) in enumerate(zip(columns[shape.client], columns[shape.server], strict=True)):
        out_bytes, back_bytes = _count(out, place), _count(back, place)
        if not (out_bytes or back_bytes):
            continue
        if shape.client == _OCSF_ENDS[0] and as_text(columns["class_uid"][place]) != _NETWORK_ACTIVITY:
            continue
        one, other, port = _name(client), _name(server), _name(_at(columns, shape.port, place))
        if not one or not other:
            continue
        protocol = {as_text(_at(columns, name, place)).lower() for name in shape.protocol}
        services = {
            part for name in shape.application for part in as_text(_at(columns, name, place)).lower().split(",")
        }
        number = int(port) if port.isdecimal() else 0
        tunnel = next((_TUNNELS[name] for name in protocol if name in _TUNNELS), "")
        if not tunnel and not protocol.isdisjoint({"udp", "17"}):
            tunnel = _TUNNEL_PORTS.get(number, "")
        yield Flow(
            place, one, other, port, out_bytes, back_bytes, ends[place], _goes_out(columns, place, one, other),
            number in _ENCRYPTED_PORTS or not services.isdisjoint(_ENCRYPTED), tunnel,
        )  # fmt: skip


def _of(shapes: Mapping[tuple[str, str], T], batch: EventBatch) -> T | None:
    source = batch.log_source
    if source.service == "ocsf":
        return shapes.get(("", "ocsf"))
    return shapes.get((source.product, source.service))


def _first(columns: Mapping[str, Sequence[Value]], names: Sequence[str]) -> tuple[Sequence[Value], ...]:
    return tuple(columns[name] for name in names if name in columns)


def _at(columns: Mapping[str, Sequence[Value]], name: str, place: int) -> Value:
    return columns[name][place] if name in columns else None


def _count(columns: tuple[Sequence[Value], ...], place: int) -> int:
    """The first of them that is a number; what a sensor lost sight of can be beyond any disk."""
    for column in columns:
        value = column[place]
        if isinstance(value, int | float) and 0 < value < 2**53:
            return int(value)
    return 0


def _ends_s(batch: EventBatch) -> Sequence[float]:
    """When each flow ended, in seconds; where that is not told, the time of its event."""
    times = [at_ns / NS_PER_S for at_ns in batch.times_ns]
    if (lasted := batch.columns.get("duration")) is not None and batch.log_source.product == "zeek":
        return [at + float(one) if isinstance(one, int | float) else at for at, one in zip(times, lasted, strict=True)]
    if (ended := batch.columns.get("flow.end")) is not None:
        return [_iso_s(one, at) for at, one in zip(times, ended, strict=True)]
    if (ended := batch.columns.get("end_time")) is not None:
        return [
            one * NS_PER_MS / NS_PER_S if isinstance(one, int) else at for at, one in zip(times, ended, strict=True)
        ]
    return times


def _iso_s(text: Value, otherwise: float) -> float:
    try:
        return ns_from_iso(as_text(text)) / NS_PER_S
    except (ValueError, OverflowError):
        return otherwise


def _goes_out(columns: Mapping[str, Sequence[Value]], place: int, client: str, server: str) -> bool:
    here, there = _at(columns, "local_orig", place), _at(columns, "local_resp", place)
    if isinstance(here, bool) and isinstance(there, bool):
        return here and not there
    return of_house(client) and not of_house(server)


@lru_cache(MAX_ADDRESSES_KEPT)
def of_house(address: str) -> bool:
    """Whether it is private, of the machine itself, or for many; what is no address is of nobody."""
    try:
        number = ip_address(address)
    except ValueError:
        return False
    return any(number in network for network in _HOUSE)


def _name(value: Value) -> str:
    """A value as a name, without blanks: names of one pair are parted by them."""
    return "".join(as_text(value)[:MAX_FLOW_NAME_CHARS].split())
