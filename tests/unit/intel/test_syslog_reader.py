"""Syslog in its dialects, and what programs say in it."""

import pytest

from phalanx.core import DEFAULT_TENANT, BatchId, Event, LogSource, ns_from_iso
from phalanx.intel import read_chunk
from phalanx.intel.reading import from_sender

BATCH = BatchId("0197a000-0000-7000-8000-000000000000")
ACCEPTED = "2026-03-02T10:00:00Z"


def event_of(line, *, accepted=ACCEPTED, reader="auto"):
    out = read_chunk(
        line.encode(), reader=reader, tenant=DEFAULT_TENANT, batch=BATCH, accepted_at_ns=ns_from_iso(accepted)
    )
    assert not out.rejected, out.rejected
    (batch,) = out.batches
    assert batch.reader == "syslog"
    return Event(batch, 0)


def reason_for(line, *, reader="auto"):
    out = read_chunk(line, reader=reader, tenant=DEFAULT_TENANT, batch=BATCH, accepted_at_ns=ns_from_iso(ACCEPTED))
    (rejected,) = out.rejected
    return rejected.reason


def test_the_example_of_rfc_3164():
    # Section 5.4, example 1.
    event = event_of("<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8")
    assert event.fields() == {
        "facility": 4,
        "severity": 2,
        "hostname": "mymachine",
        "program": "su",
        "message": "'su root' failed for lonvick on /dev/pts/8",
    }
    assert event.time_ns == ns_from_iso("2025-10-11T22:14:15Z")
    assert event.batch.log_source == LogSource("linux", "", "auth")


def test_the_examples_of_rfc_5424():
    # Section 6.5, examples 1, 3 and 4.
    first = event_of(
        "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \ufeff'su root' failed for lonvick"
    )
    assert first.time_ns == ns_from_iso("2003-10-11T22:14:15.003Z")
    assert first.get("hostname") == "mymachine.example.com"
    assert first.get("msgid") == "ID47"
    assert first.get("message") == "'su root' failed for lonvick"
    third = event_of(
        '<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" '
        'eventSource="Application" eventID="1011"] An application event log entry...'
    )
    assert third.get("structured_data").startswith('[exampleSDID@32473 iut="3"')
    assert third.get("message") == "An application event log entry..."
    fourth = event_of(
        '<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" '
        'eventSource="Appl\\]ica\\"tion" eventID="1011"][examplePriority@32473 class="high"]'
    )
    assert fourth.get("structured_data").endswith('[examplePriority@32473 class="high"]')
    assert fourth.get("message") == ""


def test_lines_of_files_have_no_priority():
    bsd = event_of("Mar  2 09:59:01 web-01 CRON[77]: (root) CMD (test -x /usr/sbin/anacron)")
    assert bsd.get("facility") is None
    assert bsd.get("pid") == "77"
    assert bsd.batch.log_source.service == "cron"
    assert (bsd.get("user"), bsd.get("command")) == ("root", "test -x /usr/sbin/anacron")
    iso = event_of("2026-03-02T10:59:01.5+01:00 web-01 kernel: eth0: link up")
    assert iso.time_ns == ns_from_iso("2026-03-02T09:59:01.5Z")
    assert iso.get("program") == "kernel"


@pytest.mark.parametrize(
    ("stamp", "accepted", "meant"),
    [
        ("Dec 31 23:59:59", "2026-01-01T00:00:05Z", "2025-12-31T23:59:59Z"),
        ("Jan  1 00:00:05", "2025-12-31T23:59:59Z", "2026-01-01T00:00:05Z"),
        ("Mar  2 08:00:00", "2026-11-20T12:00:00Z", "2026-03-02T08:00:00Z"),
        ("Mar  4 00:00:00", "2026-03-02T10:00:00Z", "2025-03-04T00:00:00Z"),
        ("Feb 29 12:00:00", "2027-01-10T00:00:00Z", "2024-02-29T12:00:00Z"),
    ],
)
def test_the_missing_year_is_the_latest_that_is_not_in_the_future(stamp, accepted, meant):
    event = event_of(f"<13>{stamp} web-01 app: hello", accepted=accepted)
    assert event.time_ns == ns_from_iso(meant)


def sshd(message):
    return event_of(f"Mar  2 09:00:00 web-01 sshd[4711]: {message}").fields()


def test_sshd_logins_become_fields():
    fields = sshd("Failed password for invalid user oracle from 203.0.113.9 port 4242 ssh2")
    assert fields["action"] == "failed"
    assert fields["auth_method"] == "password"
    assert fields["user"] == "oracle"
    assert fields["invalid_user"] is True
    assert (fields["src_ip"], fields["src_port"]) == ("203.0.113.9", 4242)
    fields = sshd("Accepted publickey for deploy from 2001:db8::9 port 22 ssh2: ED25519 SHA256:abc")
    assert (fields["action"], fields["user"], fields["src_ip"]) == ("accepted", "deploy", "2001:db8::9")
    fields = sshd("Invalid user admin from 203.0.113.9 port 50022")
    assert (fields["action"], fields["user"], fields["src_port"]) == ("invalid-user", "admin", 50022)


@pytest.mark.parametrize("name", ["x from 192.0.2.1 port 22 ssh2", "x from 192.0.2.1 port 22 ssh2: RSA"])
def test_a_user_name_cannot_forge_the_address(name):
    fields = sshd(f"Failed password for invalid user {name} from 203.0.113.9 port 4242 ssh2")
    assert fields["src_ip"] == "203.0.113.9"
    assert fields["user"] == name


def test_an_unknown_message_of_sshd_stays_a_message():
    assert "action" not in sshd("Server listening on 0.0.0.0 port 22.")


def test_sudo_becomes_fields():
    line = "Mar  2 09:00:00 web-01 sudo:   deploy : TTY=pts/1 ; PWD=/home/deploy ; USER=root ; COMMAND=/bin/sh -c id"
    fields = event_of(line).fields()
    assert fields["user"] == "deploy"
    assert fields["target_user"] == "root"
    assert fields["command"] == "/bin/sh -c id"
    assert (fields["tty"], fields["pwd"]) == ("pts/1", "/home/deploy")
    refused = "  bob : command not allowed ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/su"
    assert event_of(f"Mar  2 09:00:00 web-01 sudo: {refused}").get("reason") == "command not allowed"


def test_a_line_of_the_audit_daemon():
    event = event_of(
        'node=web-01 type=SYSCALL msg=audit(1604996384.965:93777): arch=c000003e success=yes comm="dd" '
        'exe="/bin/dd" key=(null)'
    )
    assert event.batch.log_source == LogSource("linux", "", "auditd")
    assert event.time_ns == 1_604_996_384_965_000_000
    assert event.fields() == {
        "type": "SYSCALL",
        "serial": "93777",
        "hostname": "web-01",
        "arch": "c000003e",
        "success": "yes",
        "comm": "dd",
        "exe": "/bin/dd",
    }


def test_bytes_that_are_not_utf8_are_kept_escaped():
    out = read_chunk(
        b"Mar  2 09:00:00 web-01 app: caf\xe9",
        tenant=DEFAULT_TENANT,
        batch=BATCH,
        accepted_at_ns=ns_from_iso(ACCEPTED),
    )
    assert Event(out.batches[0], 0).get("message") == "caf\\xe9"
    assert out.batches[0].raw[0].endswith(b"\xe9")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"<192>Mar  2 09:00:00 web-01 app: x", "above 191"),
        (b"<34>1 nonsense", "not a syslog line"),
        (b"Foo  2 09:00:00 web-01 app: x", "neither JSON, CEF, LEEF, syslog nor audit"),
        (b"Feb 30 09:00:00 web-01 app: x", "not a time"),
        (b"Mar  2 25:00:00 web-01 app: x", "not a time"),
        (b"<34>1 - host app - - - no time", "not a time"),
        (b"<34>1 2003-10-11T22:14:15Z host app - - [broken", "structured data"),
        (b"type=SYSCALL without a header", "an audit line needs"),
    ],
)
def test_what_is_wrong_is_said(line, reason):
    assert reason in reason_for(line)


@pytest.mark.parametrize(
    ("line", "at", "fields"),
    [
        # RFC 3164, section 5.4, example 2: a priority and text.
        ("<13>hello", ACCEPTED, {"program": "", "message": "hello"}),
        ("<13>app[7]: hello", ACCEPTED, {"program": "app", "pid": "7", "message": "hello"}),
        ("<189>date=2026-03-02 devname=fw", ACCEPTED, {"program": "", "message": "date=2026-03-02 devname=fw"}),
        # Cisco ASA and IOS.
        (
            "<166>Mar 02 2026 08:30:00 asa1 : %ASA-6-302013: Built",
            "2026-03-02T08:30:00Z",
            {"hostname": "asa1", "program": "%ASA-6-302013", "message": "Built"},
        ),
        (
            "<166>Mar 02 2025 08:30:00: %ASA-6-302013: Built",
            "2025-03-02T08:30:00Z",
            {"program": "%ASA-6-302013", "message": "Built"},
        ),
        (
            "<189>29: *Mar  1 18:46:11.034: %SYS-5-CONFIG_I: Configured",
            "2026-03-01T18:46:11.034Z",
            {"program": "%SYS-5-CONFIG_I", "message": "Configured"},
        ),
        (
            "<189>30: core1: Mar  1 18:46:11: %SYS-5-CONFIG_I: Configured",
            "2026-03-01T18:46:11Z",
            {"hostname": "core1", "program": "%SYS-5-CONFIG_I", "message": "Configured"},
        ),
        # No host, as the C library writes to /dev/log.
        (
            "<13>Mar  1 18:46:11 su[7]: hello",
            "2026-03-01T18:46:11Z",
            {"program": "su", "pid": "7", "message": "hello"},
        ),
    ],
)
def test_headers_that_are_not_whole(line, at, fields):
    event = event_of(line)
    assert {name: value for name, value in event.fields().items() if name not in ("facility", "severity")} == fields
    assert event.time_ns == ns_from_iso(at)


def test_a_line_without_a_header_is_told_where_and_when_it_came_in():
    at_ns = ns_from_iso(ACCEPTED)
    told = from_sender(b"<13>app: hello", "10.0.0.7", at_ns)
    event = event_of(told.decode(), accepted="2026-03-03T00:00:00Z")
    assert event.get("hostname") == "10.0.0.7"
    assert (event.get("program"), event.get("message")) == ("app", "hello")
    assert event.time_ns == at_ns
    for whole in (
        b"<34>1 2026-03-02T08:30:00Z host app - - - x", b"<34>Mar  2 08:30:00 host app: x", b"no priority",
        b"<34>2026-03-02T08:30:00Z host app: x", b"<189>29: *Mar  1 18:46:11: %SYS-5-X: y",
    ):  # fmt: skip
        assert from_sender(whole, "10.0.0.7", at_ns) == whole


def test_cef_right_behind_the_priority():
    line = b"<134>CEF:0|acme|wall|1|7|refused|5|src=10.0.0.1 dst=10.0.0.2"
    for told in (line, from_sender(line, "10.0.0.7", ns_from_iso(ACCEPTED))):
        out = read_chunk(told, reader="auto", tenant=DEFAULT_TENANT, batch=BATCH, accepted_at_ns=ns_from_iso(ACCEPTED))
        assert not out.rejected
        assert out.batches[0].reader == "cef"
    assert out.batches[0].columns["hostname"] == ["10.0.0.7"]
