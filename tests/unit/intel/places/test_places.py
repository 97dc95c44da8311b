"""Tables of places: read, checked, looked up, loaded part by part."""

import hashlib
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.core import DEFAULT_TENANT, InvalidInput, LimitExceeded, TenantId
from phalanx.intel.places import MAX_PART_BYTES, Place, Places, PlaceTable, network_of, read_places
from phalanx.testing import MemoryAudit, SimWorld

pytestmark = pytest.mark.requirement("INT-2")

ACME = TenantId("acme")
TABLE = b"""network,latitude,longitude,radius_km,name
198.51.100.0/24,59.33,18.07,20,Stockholm
198.51.0.0/16,52.52,13.40,,Berlin
198.51.100.64/26,,,,VPN
2001:db8::/32,48.86,2.35,10,Paris
"""


def at(table, text):
    return table.at(ipaddress.ip_address(text))


def test_the_narrowest_network_around_an_address_says_where_it_is():
    read = read_places(TABLE)
    assert (read.table.networks, read.located, read.refused) == (4, 3, 0)
    assert at(read.table, "198.51.100.3").name == "Stockholm"
    assert at(read.table, "198.51.100.200").name == "Stockholm"
    assert at(read.table, "198.51.7.7").name == "Berlin"
    assert at(read.table, "198.51.100.70") is None, "the table says that nobody knows where the VPN ends"
    assert at(read.table, "198.52.0.0") is None
    assert at(read.table, "198.50.255.255") is None
    assert at(read.table, "2001:db8:1::5").name == "Paris"
    assert at(read.table, "2001:db9::5") is None


networks = st.tuples(st.integers(0, 255), st.integers(24, 32)).map(
    lambda one: ipaddress.ip_network((f"192.0.2.{one[0]}", one[1]), strict=False)
)


@given(st.dictionaries(networks, st.none() | st.integers(-80, 80).map(lambda n: Place(n, n, 1.0)), max_size=24))
def test_looking_up_is_the_longest_prefix(known):
    table = PlaceTable(list(known.items()))
    for last in range(256):
        address = ipaddress.ip_address(f"192.0.2.{last}")
        around = [network for network in known if address in network]
        expected = known[max(around, key=lambda one: one.prefixlen)] if around else None
        assert table.at(address) == expected
    assert table.at(ipaddress.ip_address("192.0.3.0")) is None


def test_the_header_of_public_tables_is_understood_and_bad_rows_are_told_by_line():
    read = read_places(
        b"\xef\xbb\xbfnetwork,geoname_id,latitude,longitude,accuracy_radius\n"
        b"192.0.2.0/24,1,10.0,20.0,100\n192.0.2.1/24,2,0,0,0\n203.0.113.0/24,3,91,0,0\n"
        b"192.0.2.0/24,4,0,0,0\n2001:db8::/80,5,0,0,0\n198.51.100.0/24,6,here,0,0\n"
    )
    assert at(read.table, "192.0.2.9") == Place(10.0, 20.0, 100.0)
    assert [one.line for one in read.told] == [3, 4, 5, 6, 7]
    assert read.refused == 5
    assert "host bits" in read.told[0].reason
    assert "out of its range" in read.told[1].reason


@pytest.mark.parametrize("data", [b"", b"address,lat,lon\n1.2.3.4,0,0\n", b"\xff\xfe\x00"])
def test_what_is_no_table_is_refused(data):
    with pytest.raises(InvalidInput):
        read_places(data)


def test_distances_are_the_least_that_they_can_be():
    stockholm, berlin = Place(59.33, 18.07, 0.0), Place(52.52, 13.40, 0.0)
    assert stockholm.apart_km(berlin) == pytest.approx(810, abs=5), "as maps have it"
    assert stockholm._replace(radius_km=300.0).apart_km(berlin._replace(radius_km=600.0)) == 0.0
    assert Place(0, 179.9, 0.0).apart_km(Place(0, -179.9, 0.0)) == pytest.approx(22, abs=1)


def test_neighbours_are_one_place_and_what_is_no_address_is_none():
    assert network_of("192.0.2.7")[1] == network_of("192.0.2.250")[1] == "192.0.2.0/24"
    assert network_of("2001:db8:7:1::1")[1] == network_of("2001:db8:7:ffff::1")[1]
    assert network_of("::ffff:192.0.2.7")[1] == "192.0.2.0/24"
    assert [network_of(text) for text in ("", "localhost", "300.1.1.1")] == [None] * 3
    assert not network_of("10.1.2.3")[2]
    assert network_of("8.8.8.8")[2]


def test_a_table_in_parts_is_used_once_it_is_whole_and_found_again_after_a_restart():
    async def story(world):
        ports = world.ports("one")
        ledger = MemoryAudit()
        places = Places(ports.store, ports.clock, ports.offload, ledger)
        digest = hashlib.sha256(TABLE).hexdigest()
        head, tail = TABLE[:90], TABLE[90:]
        assert await places.load(DEFAULT_TENANT, head, digest=digest, part=0, parts=2, by="ann") is None
        assert places.at(DEFAULT_TENANT, "198.51.100.3") is None
        with pytest.raises(InvalidInput):
            await places.load(DEFAULT_TENANT, tail + b"x", digest=digest, part=1, parts=2, by="ann")
        read = await places.load(DEFAULT_TENANT, tail, digest=digest, part=1, parts=2, by="ann")
        assert read.table.networks == 4
        assert places.at(ACME, "198.51.100.3").name == "Stockholm", "who has no table of its own has the node's"
        own = b"network,latitude,longitude,name\n198.51.100.0/24,1,1,ours\n"
        await places.load(ACME, own, digest=hashlib.sha256(own).hexdigest(), part=0, parts=1, by="ben")
        assert places.at(ACME, "198.51.100.3").name == "ours"
        assert places.at(DEFAULT_TENANT, "198.51.100.3").name == "Stockholm"
        assert [entry.action for entry in ledger.entries] == ["places.loaded"] * 2
        again = Places(ports.store, ports.clock, ports.offload, ledger)
        await again.open()
        assert again.at(DEFAULT_TENANT, "198.51.7.7").name == "Berlin"
        assert again.head(ACME).by == "ben"
        with pytest.raises(LimitExceeded):
            await places.load(ACME, b"x" * (MAX_PART_BYTES + 1), digest=digest, part=0, parts=2, by="ben")
        with pytest.raises(InvalidInput):
            await places.load(ACME, b"x", digest=digest, part=17, parts=18, by="ben")

    SimWorld(3).run(story)
