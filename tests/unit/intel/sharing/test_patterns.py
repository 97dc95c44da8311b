"""Patterns of STIX: what is one, what it is good for, and what it holds for. The grammar is checked against OASIS's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.core import InvalidInput, LimitExceeded
from phalanx.intel.sharing import (
    InvalidPattern,
    PatternValue,
    UnsupportedPattern,
    holds,
    observables_of_view,
    parse_pattern,
    pattern_values,
    read_bundle,
)

pytestmark = pytest.mark.requirement("INT-4")

validator = pytest.importorskip("stix2patterns.v21.pattern", reason="the extra `dev` brings it")

GOOD = [
    "[ipv4-addr:value = '198.51.100.1']",
    "[file:hashes.'SHA-256' = 'ab' AND file:size > 1024]",
    "[a:b = 'x' OR a:c != 3 AND a:d IN ('x', 'y')]",
    "[a:b NOT = 'x']",
    "[a:b NOT LIKE '%x_']",
    "[a:b[*].c[2].d MATCHES '^x.*$']",
    "([a:b = 1] AND [c:d = true]) OR [e:f = t'2026-01-01T00:00:00Z']",
    "[a:b = 1] FOLLOWEDBY [c:d = 2] WITHIN 300 SECONDS",
    "([a:b = 1] OR [a:b = 2]) REPEATS 5 TIMES WITHIN 1800 SECONDS",
    "[a:b = 1] START t'2026-01-01T00:00:00Z' STOP t'2026-02-01T00:00:00Z'",
    "[(a:b = 1 OR a:c = 2) AND a:d <= 2.5]",
    "[ipv4-addr:value ISSUBSET '10.0.0.0/8']",
    "[EXISTS a:b.c]",
    "[a:b = 'it\\'s \\\\ here']",
    "[windows-registry-key:key = 'HKLM\\\\x'] /* why */",
    "[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '1.2.3.4']",
    "[a:b = h'aabb' OR a:b = b'AAAA']",
    "[a:b IN ()]",
]
BAD = [
    "", "[]", "ipv4-addr:value = 'x'", "[a:b]", "[a:b = ]", "[a = 'x']", "[a:b = 'x'", "[a:b = 'x'] AND",
    "[a:b IN 'x']", "[a:b LIKE 5]", "[a:b = 'x'] REPEATS TIMES", "[a:b = 'x'] WITHIN x SECONDS", "[a:b = x]",
    "[a:b = 'x'] [c:d = 'y']", "[a:b[x] = 1]", "[AND:b = 1]", "[a:b == 'x' AND]", "[a:b = 'x\\'",
]  # fmt: skip


@pytest.mark.parametrize("text", GOOD)
def test_a_good_pattern_is_read_as_the_reference_reads_it(text):
    validator.Pattern(text)
    parse_pattern(text)


@pytest.mark.parametrize("text", BAD)
def test_a_bad_pattern_is_refused_with_its_place(text):
    with pytest.raises(Exception):  # noqa: B017 - whatever the reference raises
        validator.Pattern(text)
    with pytest.raises(InvalidPattern) as caught:
        parse_pattern(text)
    assert 0 <= caught.value.position <= len(text)


def test_every_pattern_of_the_public_bundles_is_read(stix_folder):
    n = 0
    for file in sorted((stix_folder / "examples").rglob("*.json")):
        for one in read_bundle(file.read_bytes()).objects:
            if one.type == "indicator":
                parse_pattern(one.raw["pattern"])
                n += 1
    assert n > 25


@given(st.text(alphabet="[]()abc:=' <>.AND ORINLKE*12,\\!", max_size=60))
def test_whatever_is_written_is_read_or_refused(text):
    try:
        ours = parse_pattern(text) is not None
    except InvalidPattern:
        ours = False
    try:
        theirs = validator.Pattern(text) is not None
    except Exception:  # noqa: BLE001 - whatever the reference raises
        theirs = False
    assert ours is theirs, text


def test_depth_and_length_are_bounded():
    for text in ("(" * 5_000 + "[a:b=1]" + ")" * 5_000, "[" + "(" * 5_000, "[a:b = '" + "x" * 70_000 + "']"):
        with pytest.raises((LimitExceeded, InvalidInput)):
            parse_pattern(text)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("[ipv4-addr:value = '198.51.100.1/32' OR ipv6-addr:value = '2001:DB8::1']",
         [("ip", "198.51.100.1/32"), ("ip", "2001:db8::1")]),
        ("[domain-name:value IN ('A.example', 'b.example')]", [("domain", "a.example"), ("domain", "b.example")]),
        ("[url:value = 'http://A.example/X']", [("url", "http://A.example/X")]),
        ("[file:hashes.MD5 = 'AB' OR file:hashes.'SHA-256' = 'CD']", [("hash", "ab"), ("hash", "cd")]),
        ("[file:name = 'x.exe' AND file:hashes.'SHA-1' = 'ab']", [("hash", "ab")]),
        ("[email-message:from_ref.value = 'A@b.example']", [("email", "a@b.example")]),
        ("[network-traffic:dst_ref.value = '198.51.100.1']", [("ip", "198.51.100.1")]),
        ("[network-traffic:dst_ref.value = 'c2.example']", [("domain", "c2.example")]),
        ("[ipv4-addr:value ISSUBSET '198.51.100.0/24']", [("ip", "198.51.100.0/24")]),
        ("[ipv4-addr:value = '1.1.1.1'] OR [domain-name:value = 'x.example']",
         [("ip", "1.1.1.1"), ("domain", "x.example")]),
    ],
)  # fmt: skip
def test_values_of_which_each_is_enough(text, values):
    assert pattern_values(parse_pattern(text)) == tuple(PatternValue(*one) for one in values)


@pytest.mark.parametrize(
    ("text", "feature"),
    [
        ("[ipv4-addr:value = '1.1.1.1'] FOLLOWEDBY [domain-name:value = 'x.example']", "FOLLOWEDBY"),
        ("[ipv4-addr:value = '1.1.1.1'] AND [domain-name:value = 'x.example']", "AND"),
        ("[ipv4-addr:value = '1.1.1.1'] REPEATS 3 TIMES", "REPEATS"),
        ("[ipv4-addr:value != '1.1.1.1']", "NOT"),
        ("[domain-name:value LIKE '%.example']", "LIKE"),
        ("[file:name = 'x.exe']", "file:name"),
        ("[network-traffic:dst_port = 53 AND network-traffic:dst_ref.value = '1.1.1.1']", "AND"),
        ("[ipv4-addr:value = 5]", "ipv4-addr:value"),
    ],
)
def test_a_pattern_never_becomes_more_than_it_says(text, feature):
    with pytest.raises(UnsupportedPattern) as caught:
        pattern_values(parse_pattern(text))
    assert caught.value.feature == feature
    assert caught.value.reason


VIEW = {
    "src_endpoint": {"ip": "10.0.0.5", "port": 50_000},
    "dst_endpoint": {"ip": "198.51.100.9", "port": 443},
    "connection_info": {"protocol_name": "TCP"},
    "query": {"hostname": "c2.example"},
    "process": {"name": "powershell.exe", "cmd_line": "powershell -enc AAAA", "pid": 7,
                "file": {"path": "C:\\Windows\\powershell.exe"}},
    "user": {"name": "alice"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("[ipv4-addr:value = '198.51.100.9']", True),
        ("[ipv4-addr:value ISSUBSET '198.51.100.0/24']", True),
        ("[ipv4-addr:value ISSUBSET '203.0.113.0/24']", False),
        ("[network-traffic:dst_ref.value = '198.51.100.9' AND network-traffic:dst_port = 443]", True),
        ("[network-traffic:src_ref.value = '198.51.100.9']", False),
        ("[network-traffic:dst_port > 1000]", False),
        ("[network-traffic:protocols[*] = 'tcp']", True),
        ("[network-traffic:protocols[0] = 'tcp']", True),
        ("[network-traffic:protocols[1] = 'tcp']", False),
        ("[domain-name:value LIKE '%.example']", True),
        ("[domain-name:value MATCHES '^c[0-9]\\\\.']", True),
        ("[domain-name:value NOT LIKE '%.example']", False),
        ("[process:command_line LIKE '%-enc%' AND process:image_ref.name = 'powershell.exe']", True),
        ("[process:command_line LIKE '%-enc%' AND process:image_ref.name = 'cmd.exe']", False),
        ("[user-account:account_login IN ('bob', 'alice')]", True),
        ("[EXISTS process:pid]", True),
        ("[EXISTS process:cwd]", False),
        ("[process:pid != 8]", True),
        ("[process:pid = '7']", False),
        ("[mutex:name = 'x'] OR [user-account:account_login = 'alice']", True),
        ("[mutex:name = 'x'] AND [user-account:account_login = 'alice']", False),
    ],
)
def test_what_holds_for_an_event(text, want):
    assert holds(parse_pattern(text), [observables_of_view(VIEW)]) is want


@pytest.mark.parametrize(
    "text", ["[a:b=1] FOLLOWEDBY [c:d=2]", "[a:b=1] WITHIN 5 SECONDS", "[domain-name:value MATCHES '(a+)+$']"]
)
def test_what_cannot_be_told_is_said(text):
    with pytest.raises(UnsupportedPattern):
        holds(parse_pattern(text), [observables_of_view(VIEW)])
