"""CEF, LEEF, Suricata, CloudTrail, ECS and OCSF, from what their specifications say."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.core import BatchId, Event, LogSource, TenantId, derive_id
from phalanx.intel import AUTO, READERS, RuleSet, parse_rule, read_chunk
from phalanx.intel.indicators._observables import observables

NOW_NS = 1_772_440_200_000_000_000
BATCH = BatchId(derive_id(NOW_NS, "batch"))
NEW = ("cef", "cloudtrail", "ecs", "leef", "ocsf", "suricata")


def read(*lines, reader=AUTO):
    data = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    return read_chunk(data, reader=reader, tenant=TenantId("t"), batch=BATCH, accepted_at_ns=NOW_NS)


def one(line, reader=AUTO):
    out = read(line, reader=reader)
    assert not out.rejected, out.rejected
    return Event(out.batches[0], 0)


def refused(line, reader=AUTO):
    out = read(line, reader=reader)
    assert not out.batches
    return out.rejected[0].reason


@pytest.mark.requirement("INT-1")
def test_cef_with_escapes_and_spaces_in_values():
    event = one(
        rb"CEF:0|Security|threat\|manager|1.0|100|worm \\ stopped|10|src=10.0.0.1 dst=2.1.2.2 spt=1232 "
        rb"rt=1772440100123 msg=two words \= one\nline cs1Label=Rule cs1=a b  c"
    )
    assert event.batch.reader == "cef"
    assert event.batch.log_source == LogSource("cef", "firewall", "")
    assert event.time_ns == 1_772_440_100_123_000_000
    fields = event.fields()
    assert fields["product"] == "threat|manager"
    assert fields["name"] == "worm \\ stopped"
    assert fields["msg"] == "two words = one\nline"
    assert (fields["spt"], fields["cs1"], fields["cs1Label"]) == ("1232", "a b  c", "Rule")


@pytest.mark.requirement("INT-1")
@pytest.mark.parametrize(
    "header", [b"<134>Mar  2 08:29:00 fw-1 ", b"<134>1 2026-03-02T08:29:00Z fw-1 app 1 - - ", b"Mar  2 08:29:00 fw-1 "]
)
def test_a_syslog_header_before_the_mark_gives_host_and_time(header):
    for body in (b"CEF:0|v|p|1|c|n|5|act=deny", b"LEEF:1.0|v|p|1|c|act=deny"):
        event = one(header + body)
        assert event.get("hostname") == "fw-1"
        assert event.get("act") == "deny"
        assert event.time_ns == 1_772_440_140_000_000_000


@pytest.mark.requirement("INT-1")
@pytest.mark.parametrize(
    "line",
    [
        b"LEEF:1.0|Microsoft|MSExchange|4.0 SP1|15345|src=192.0.2.0\tdst=172.50.123.1\tusrName=joe black",
        b"LEEF:2.0|Lancope|StealthWatch|1.0|41|^|src=192.0.2.0^dst=172.50.123.1^usrName=joe black",
        b"LEEF:2.0|Lancope|StealthWatch|1.0|41|x5E|src=192.0.2.0^dst=172.50.123.1^usrName=joe black",
        b"LEEF:2.0|Lancope|StealthWatch|1.0|41|0x09|src=192.0.2.0\tdst=172.50.123.1\tusrName=joe black",
        b"LEEF:2.0|Lancope|StealthWatch|1.0|41||src=192.0.2.0\tdst=172.50.123.1\tusrName=joe black",
    ],
)
def test_leef_with_each_kind_of_separator(line):
    event = one(line)
    assert event.batch.log_source == LogSource("leef", "firewall", "")
    assert (event.get("src"), event.get("dst"), event.get("usrName")) == ("192.0.2.0", "172.50.123.1", "joe black")


@pytest.mark.requirement("INT-1")
@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"CEF:0|v|p|1|c|n", "header ends after 5 of 7"),
        (b"LEEF:1.0|v|p", "header ends after 2 of 5"),
        (b"LEEF:2.0|v|p|1|c|long|a=b", "not a separator"),
        (b"<999>Mar  2 08:29:00 fw CEF:0|v|p|1|c|n|5|", "priority 999"),
        (b"CEF:0|v|p|1|c|n|5|" + b" ".join(b"k%d=v" % n for n in range(600)), "more than 512 fields"),
    ],
)
def test_headers_that_are_not_whole_are_refused(line, why):
    assert why in refused(line)


def eve(kind, **more):
    return {"timestamp": "2026-03-02T08:29:00.123456+0000", "event_type": kind, "src_ip": "10.0.0.1", **more}


@pytest.mark.requirement("INT-1")
@pytest.mark.parametrize(
    ("line", "source"),
    [
        (eve("dns", dns={"rrname": "x.example"}), LogSource("suricata", "dns", "dns")),
        (eve("alert", alert={"signature": "ET"}), LogSource("suricata", "", "alert")),
        (eve("made-up"), LogSource("suricata", "", "")),
        (
            {"eventVersion": "1.08", "eventTime": "2026-03-02T08:29:00Z", "eventSource": "iam.amazonaws.com",
             "eventName": "CreateUser", "userIdentity": {"arn": "arn:aws:iam::1:user/a"}},
            LogSource("aws", "", "cloudtrail"),
        ),
        (
            {"@timestamp": "2026-03-02T08:29:00Z", "ecs": {"version": "8.11"}, "host": {"os": {"type": "linux"}},
             "event": {"category": ["process"], "type": ["start"]}},
            LogSource("linux", "process_creation", "ecs"),
        ),
        (
            {"class_uid": 1007, "activity_id": 1, "time": 1_772_440_140_000, "device": {"os": {"name": "Windows"}}},
            LogSource("windows", "process_creation", "ocsf"),
        ),
        ({"class_uid": 4001, "activity_id": 6, "time": 1_772_440_140_000}, LogSource("ocsf", "", "ocsf")),
    ],
)  # fmt: skip
def test_json_of_these_sources_is_told_by_its_fields(line, source):
    event = one(line)
    assert event.batch.log_source == source
    assert event.time_ns // 1_000_000_000 == 1_772_440_140


@pytest.mark.requirement("INT-1")
def test_a_cloudtrail_file_in_one_line_says_what_to_do():
    assert "one a line" in refused({"Records": [{"eventName": "a"}]})


@pytest.mark.requirement("INT-1")
@pytest.mark.parametrize(
    "line",
    [
        {"timestamp": "yesterday", "event_type": "dns"},
        {"eventName": "a", "eventSource": "b"},
        {"@timestamp": 5, "ecs": {"version": "8"}},
        {"class_uid": 1, "time": 10**18},
        {"class_uid": 1, "time": True},
        {"class_uid": "1", "time": 1},
        {"timestamp": "2026-03-02T08:29:00Z", "event_type": {"a": 1}},
    ],
)
def test_json_without_time_or_kind_is_refused(line):
    assert "needs" in refused(line)


RULE = """
title: Shell of a server
id: 6f1f4f6e-0000-4000-8000-000000000001
logsource: {category: process_creation, product: linux}
detection: {a: {Image|endswith: /sh, ParentImage|endswith: /nginx}, condition: a}
"""


@pytest.mark.requirement("INT-1")
@pytest.mark.parametrize(
    "line",
    [
        {"@timestamp": "2026-03-02T08:29:00Z", "ecs": {"version": "8.11"}, "host": {"os": {"type": "linux"}},
         "event": {"category": ["process"], "type": ["start"]},
         "process": {"executable": "/bin/sh", "parent": {"executable": "/usr/sbin/nginx"}}},
        {"class_uid": 1007, "activity_id": 1, "time": 1_772_440_140_000, "device": {"os": {"type": "Linux"}},
         "process": {"file": {"path": "/bin/sh"}}, "actor": {"process": {"file": {"path": "/usr/sbin/nginx"}}}},
    ],
)  # fmt: skip
def test_a_rule_in_sigmas_names_holds_for_ecs_and_ocsf(line):
    rules = RuleSet([parse_rule(RULE.encode(), where="r.yml")])
    hits = [hit for batch in read(line).batches for hit in rules.evaluate(batch)]
    assert len(hits) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "timestamp",
                    "event_type",
                    "eventName",
                    "eventSource",
                    "@timestamp",
                    "ecs",
                    "event",
                    "category",
                    "class_uid",
                    "time",
                    "Records",
                    "x",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@pytest.mark.requirement("INT-1")
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "timestamp",
                "event_type",
                "eventName",
                "eventSource",
                "eventTime",
                "@timestamp",
                "ecs",
                "event",
                "class_uid",
                "time",
                "Records",
            ]
        ),
        JSON,
        max_size=8,
    ),
    st.sampled_from((AUTO, *NEW)),
)
def test_whatever_json_comes_ends_in_a_batch_or_is_rejected(record, reader):
    out = read(record, reader=reader)
    assert out.events + len(out.rejected) == 1


@pytest.mark.requirement("INT-1")
@given(
    st.sampled_from([b"", b"<13>Mar  2 08:29:00 h ", b"<13>1 - - - - - - ", b"\xff\x00 "]),
    st.sampled_from([b"CEF:", b"LEEF:"]),
    st.lists(
        st.sampled_from(
            [b"|", b"\\", b"=", b" ", b"\t", b"0", b"2.0", b"x", b"src", b"dst", b"rt", b"\xff", b"9" * 14]
        ),
        max_size=40,
    ),
    st.sampled_from((AUTO, *NEW)),
)
def test_whatever_headed_line_comes_ends_in_a_batch_or_is_rejected(header, mark, parts, reader):
    out = read(header + mark + b"".join(parts), reader=reader)
    assert out.events + len(out.rejected) == 1


def test_all_of_them_can_be_forced():
    assert set(NEW) < set(READERS)


def test_the_page_for_senders_lists_every_reader():
    page = (Path(__file__).parents[3] / "docs/how-to/send-events.md").read_text("utf-8")
    assert sorted(line.split("`")[1] for line in page.splitlines() if line.startswith("| `")) == sorted(READERS)


@pytest.mark.requirement("INT-2")
def test_short_names_of_cef_and_leef_say_what_may_be_on_a_list():
    (batch,) = read(
        b"CEF:0|v|p|1|c|n|5|src=10.0.0.9 dst=185.220.101.5 dhost=evil.test request=http://evil.test/a dstLabel=9.9.9.9"
    ).batches
    found = {value for _, value in observables(batch)}
    assert {"10.0.0.9", "185.220.101.5", "evil.test", "http://evil.test/a"} <= found
    assert "9.9.9.9" not in found


@pytest.mark.requirement("INT-1")
@pytest.mark.parametrize("body", [b"CEF:0|v|p|1|c|n|5|", b"LEEF:1.0|v|p|1|c|"])
def test_no_pair_takes_the_place_of_what_a_header_said(body):
    event = one(b"<134>Mar  2 08:29:00 fw-1 " + body + b"vendor=forged\thostname=forged")
    cef = one(b"<134>Mar  2 08:29:00 fw-1 CEF:0|v|p|1|c|n|5|severity=0 hostname=forged")
    assert (event.get("vendor"), event.get("hostname")) == ("v", "fw-1")
    assert (cef.get("severity"), cef.get("hostname"), cef.get("extension.hostname")) == ("5", "fw-1", "forged")


MARCH_2_0829_NS = 1_772_440_140_000_000_000


@pytest.mark.requirement("INT-1")
@pytest.mark.parametrize(
    ("rt", "time_ns"),
    [
        ("Mar 02 2026 08:29:00", MARCH_2_0829_NS),
        ("Mar 02 2026 08:29:00.250", MARCH_2_0829_NS + 250_000_000),
        ("Mar 02 2026 09:29:00.250 GMT+01:00", MARCH_2_0829_NS + 250_000_000),
        ("Mar  2 2026 08:29:00 UTC", MARCH_2_0829_NS),
        ("Mar 02 08:29:00", MARCH_2_0829_NS),
        ("2026-03-02T09:29:00+01:00", MARCH_2_0829_NS),
        ("1772440140000", MARCH_2_0829_NS),
        # The zone's name may mean several: the time of acceptance is less wrong.
        ("Mar 02 2026 08:29:00 CST", NOW_NS),
        ("Mar 02 2026 25:29:00", NOW_NS),
        ("Feb 30 2026 08:29:00", NOW_NS),
        ("Xyz 02 2026 08:29:00", NOW_NS),
        ("yesterday", NOW_NS),
    ],
)
def test_dates_of_cef_and_leef_count(rt, time_ns):
    assert one(f"CEF:0|v|p|1|c|n|5|rt={rt} act=deny".encode()).time_ns == time_ns
    assert one(f"LEEF:1.0|v|p|1|c|devTime={rt}\tact=deny".encode()).time_ns == time_ns


@pytest.mark.requirement("INT-1")
@pytest.mark.parametrize(
    ("pattern", "text", "time_ns"),
    [
        ("yyyy-MM-dd'T'HH:mm:ss.SSSZ", "2026-03-02T09:29:00.250+0100", MARCH_2_0829_NS + 250_000_000),
        ("MM/dd/yy hh:mm:ss a", "03/02/26 08:29:00 AM", MARCH_2_0829_NS),
        ("EEE, dd MMM yyyy HH:mm:ss z", "Mon, 02 Mar 2026 08:29:00 GMT", MARCH_2_0829_NS),
        ("E E E", "Mon Mon Mon", NOW_NS),
        ("qqqq", "2026", NOW_NS),
        ("yyyy", "2026", NOW_NS),
        ("yyyy-MM-dd", "x" * 70, NOW_NS),
    ],
)
def test_a_leef_line_may_say_how_it_writes_its_time(pattern, text, time_ns):
    assert one(f"LEEF:1.0|v|p|1|c|devTimeFormat={pattern}\tdevTime={text}".encode()).time_ns == time_ns


@pytest.mark.requirement("INT-1")
@pytest.mark.parametrize("line", [b"CEF:7|v|p|1|c|n|5|a=b", b"CEF:x|v|p|1|c|n|5|a=b", b"LEEF:3.0|v|p|1|c|a=b"])
def test_versions_that_nobody_defined_are_refused(line):
    assert "is not known" in refused(line)


@pytest.mark.requirement("INT-1")
@pytest.mark.parametrize("separator", ["xD800", "0xDFFF"])
def test_half_a_character_separates_nothing(separator):
    assert "half of a character" in refused(f"LEEF:2.0|v|p|1|c|{separator}|a=b".encode())


@pytest.mark.requirement("INT-1")
def test_what_is_no_pair_is_kept():
    assert one(b"LEEF:1.0|v|p|1|c|src=10.0.0.1\tno pair\t=lost\tact=deny").get("unnamed") == "no pair\t=lost"
    long_name = "n" * 200
    assert one(f"LEEF:1.0|v|p|1|c|{long_name}=v".encode()).get("unnamed") == f"{long_name}=v"
    assert one(b"CEF:0|v|p|1|c|n|5|free words act=deny").fields()["unnamed"] == "free words"
    assert one(b"CEF:0|v|p|1|c|n|5|only free words").fields()["unnamed"] == "only free words"


@pytest.mark.requirement("INT-1")
def test_cloudtrail_through_a_shipper_keeps_the_time_elsewhere():
    event = one({"eventSource": "s3.amazonaws.com", "eventName": "GetObject", "@timestamp": "2026-03-02T08:29:00Z"})
    assert event.time_ns == MARCH_2_0829_NS


@pytest.mark.requirement("INT-1")
@pytest.mark.parametrize(
    ("line", "told"),
    [
        ({"type": "bundle", "id": "bundle--1", "objects": []}, "phalanx intel stix"),
        ({"type": "indicator", "spec_version": "2.1", "pattern": "[a:b = 1]"}, "phalanx intel stix"),
        ({"Event": {"info": "x", "Attribute": []}}, "phalanx intel misp"),
        ({"type": "other"}, "no known source"),
    ],
)
def test_intelligence_sent_as_events_is_told_where_it_belongs(line, told):
    assert told in refused(line)


EVE = b'{"timestamp":"2026-03-02T08:29:00.5+0000","event_type":"alert","src_ip":"192.0.2.7","alert":{"signature":"x"}}'


@pytest.mark.requirement("INT-1")
@pytest.mark.parametrize(
    "header", [b"<13>Mar  2 08:30:00 ids suricata[7]: ", b"<13>1 2026-03-02T08:30:00Z ids suricata 7 - - ", b"<13>"]
)
def test_json_behind_a_syslog_header_is_what_it_would_be_alone(header):
    event, alone = one(header + b" " * (header == b"<13>") + EVE), one(EVE)
    assert event.batch.reader == "suricata"
    assert event.time_ns == alone.time_ns
    told = {name: value for name, value in event.fields().items() if not name.startswith("syslog.")}
    assert told == alone.fields()
    if header != b"<13>":
        assert (event.get("syslog.hostname"), event.get("syslog.program")) == ("ids", "suricata")


@pytest.mark.parametrize(
    "message", [b'{"a": 1}', b'{"event_type": "alert"', b'saw {"event_type": "alert"}', b'{"class_uid": 1, "time": -1}']
)
def test_json_of_no_known_source_behind_a_header_stays_syslog(message):
    event = one(b"<13>Mar  2 08:30:00 ids app[7]: " + message)
    assert event.batch.reader == "syslog"
    assert event.get("message") == message.decode()
