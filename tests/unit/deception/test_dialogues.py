"""What decoys say, and what they learn."""

import base64

import pytest

from phalanx.deception import DIALOGUES, account_rules
from phalanx.intel import parse_rule, read_chunk

USERS = {"svc-archive": "abcdefgh"}


def basic(pair):
    return b"GET /admin HTTP/1.1\r\nAuthorization: Basic " + base64.b64encode(pair) + b"\r\n\r\n"


def form(body):
    return b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def test_ssh_shows_a_version_and_reads_the_other():
    dialogue = DIALOGUES["ssh"](USERS)
    assert dialogue.opened().startswith(b"SSH-2.0-OpenSSH_")
    assert not dialogue.received(b"SSH-2.0-libssh").over
    assert dialogue.received(b"_0.9\r\n\x00\x00").over
    assert dialogue.learned.facts == {"client": "SSH-2.0-libssh_0.9"}


@pytest.mark.requirement("AGT-1")
@pytest.mark.parametrize(
    ("request_", "user", "canary", "password"),
    [
        (basic(b"root:toor"), "root", False, None),
        (basic(b"svc-archive:abcdefgh"), "svc-archive", True, "the planted one"),
        (basic(b"svc-archive:guess"), "svc-archive", True, "another one"),
        (form(b"username=svc-archive&password=abcdefgh"), "svc-archive", True, "the planted one"),
        (form(b"email=a%40b.c&pass="), "a@b.c", False, None),
    ],
)
def test_a_login_page_lets_nobody_in_and_keeps_no_password(request_, user, canary, password):
    dialogue = DIALOGUES["http"](USERS)
    said = dialogue.received(request_)
    assert said.over
    assert said.data.startswith(b"HTTP/1.1 401")
    learned = dialogue.learned
    assert (learned.facts["user"], learned.canary, learned.facts.get("password")) == (user, canary, password)
    assert not {"toor", "guess", "abcdefgh"} & set(learned.facts.values())


def test_a_greeting_and_nothing_more():
    dialogue = DIALOGUES["tcp"](USERS)
    assert dialogue.opened()
    assert dialogue.received(b"EHLO x\r\n").data == b""
    assert dialogue.learned.facts == {"asked": "EHLO x·"}


@pytest.mark.requirement("AGT-1")
@pytest.mark.parametrize(
    ("line", "hits"),
    [
        (b'{"EventID":4625,"Channel":"Security","Hostname":"ws-07","TargetUserName":"svc-archive"}', 1),
        (b'{"EventID":4625,"Channel":"Security","Hostname":"ws-07","TargetUserName":"CORP\\\\SVC-Archive"}', 1),
        (b'{"EventID":4625,"Channel":"Security","Hostname":"ws-07","TargetUserName":"svc-archive@corp.example"}', 1),
        (b'{"EventID":4625,"Channel":"Security","Hostname":"ws-07","TargetUserName":"svc-archive2"}', 0),
        (b"<86>Mar  2 09:31:00 web-01 sshd[7]: Failed password for svc-archive from 192.0.2.9 port 4 ssh2", 1),
        (b"<86>Mar  2 09:31:00 web-01 sshd[7]: Failed password for root from 192.0.2.9 port 4 ssh2", 0),
    ],
)  # fmt: skip
def test_whoever_tries_a_canary_user_is_found_in_the_logs_of_there(line, hits):
    rules = [parse_rule(text, where="users") for text in account_rules(["svc-archive"])]
    [batch] = read_chunk(line, tenant="t", batch="0" * 36, accepted_at_ns=1).batches
    found = [rule for rule in rules if rule.log_source.product == batch.log_source.product and rule.match(batch)]
    assert len(found) == hits
    assert account_rules([]) == []
