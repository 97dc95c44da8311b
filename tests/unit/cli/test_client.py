"""What the client makes of answers, and what of them reaches the terminal. The server is a real one."""

import http.server
import json
import socket
import threading
from contextlib import contextmanager

import click
import pytest

from phalanx.cli import _client
from phalanx.cli._client import NodeClient
from phalanx.cli._exits import Exit, exit_for
from phalanx.cli._output import print_json, print_table
from phalanx.core import InvalidInput, Overloaded, PhalanxError, Unavailable


@contextmanager
def answering(status, body):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Retry-After", "3")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield NodeClient(f"http://127.0.0.1:{server.server_port}", "")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_names_nothing_is_not_asked_for(name):
    with answering(200, b"{}") as client:
        for ask in (
            lambda: client.get(f"/v1/agents/{name}"),
            lambda: client.post(f"/v1/agents/{name}/kill", content=b"", headers={}),
            lambda: list(client.download(f"/v1/artefacts/{name}/content")),
        ):
            with pytest.raises(InvalidInput, match="names nothing"):
                ask()


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("invalid-input", Exit.USAGE),
        ("limit-exceeded", Exit.USAGE),
        ("not-authenticated", Exit.NOT_ALLOWED),
        ("not-allowed", Exit.NOT_ALLOWED),
        ("not-found", Exit.NOT_FOUND),
        ("ledger-tampered", Exit.NOT_VERIFIED),
        ("storage-full", Exit.STORAGE),
        ("unavailable", Exit.UNAVAILABLE),
        ("internal", Exit.FAILED),
    ],
)
def test_a_problem_of_the_node_ends_as_its_error_would_here(code, exit_code):
    problem = json.dumps({"code": code, "detail": "what happened", "hint": "what to do"}).encode()
    with answering(400, problem) as client, pytest.raises(PhalanxError) as caught:
        client.get("/v1/x")
    # A token is of one node: whoever is refused is told by which.
    said = f"what happened, says the node at {client.url}" if code == "not-authenticated" else "what happened"
    assert caught.value.message == said
    # The node's hint for that is meant for programs, which send headers.
    assert ("PHALANX_TOKEN" in caught.value.hint) is (code == "not-authenticated")
    assert (caught.value.hint == "what to do") is (code != "not-authenticated")
    assert exit_for(caught.value) is exit_code


def test_a_full_node_says_when_to_come_back():
    with answering(429, b'{"code": "overloaded", "detail": "full"}') as client, pytest.raises(Overloaded) as caught:
        client.get("/v1/x")
    assert caught.value.retry_after_s == 3


@pytest.mark.parametrize("status", [200, 404, 500])
@pytest.mark.parametrize("body", [b"<html>", b"\xff", b""])
def test_what_is_no_node_is_named_so(status, body):
    with answering(status, body) as client, pytest.raises(Unavailable, match="no Phalanx node"):
        client.get("/v1/x")


def test_a_list_where_a_problem_should_be_is_no_node():
    with answering(500, b"[1]") as client, pytest.raises(Unavailable, match="no Phalanx node"):
        client.get("/v1/x")


HOSTILE = "\x1b]0;owned\x07\u009b2J\u202e\ud800[red]"


@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"1", b"<html>"])
def test_an_answer_that_is_no_object_is_from_no_node(body):
    with answering(200, body) as client, pytest.raises(Unavailable, match="no Phalanx node"):
        client.get("/v1/findings")


def test_an_answer_that_lacks_a_field_is_told_as_that():
    """A node of another release answers; the command does not end in a traceback."""
    with answering(200, b'{"items": [{"id": "one"}]}') as client:
        (row,) = client.pages("/v1/findings", limit=10)
        assert row["id"] == "one"
        assert row.get("title", "none") == "none"
        with pytest.raises(Unavailable, match="its answer has no 'title'") as caught:
            row["title"]
        assert client.url in caught.value.message
        assert "--version" in caught.value.hint


def test_a_node_that_is_not_there_is_told_without_numbers():
    with answering(200, b"{}") as client:
        pass
    with pytest.raises(Unavailable) as caught:
        client.get("/v1/findings")
    assert caught.value.reason == "Connection refused"


def test_a_field_that_an_attacker_wrote_cannot_drive_the_terminal(capsys):
    print_table(HOSTILE, [{"a": HOSTILE}], [("a", lambda row: row["a"])], empty="")
    shown = capsys.readouterr().out
    assert shown.count("\\x1b]0;owned\\x07\\x9b2J\\u202e\\ud800[red]") == 2
    assert all(c.isprintable() or c == "\n" for c in shown)


@pytest.mark.parametrize(("columns", "folded"), [(80, True), (200, False)])
def test_on_a_terminal_that_is_too_narrow_for_a_table_a_row_is_a_block(capsys, monkeypatch, columns, folded):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    names = ["device", *(f"number {at}" for at in range(8))]
    rows = [{name: f"{name} of {of} is this" for name in names} | {"number 3": ""} for of in ("one", "two")]
    cells = [(name, lambda row, name=name: row[name][:20]) for name in names]
    print_table("Devices", rows, cells, empty="")
    lines = [line.rstrip() for line in click.unstyle(capsys.readouterr().out).splitlines()]
    assert ("number 1  number 1 of one is t" in lines) is folded
    assert max(len(line) for line in lines) <= columns
    assert any("number 3" in line for line in lines) is not folded, "what is empty is left out"
    assert any(line.startswith("device of one is thi") for line in lines) is not folded


def test_json_of_it_means_the_same_and_drives_nothing_either(capsys):
    print_json({"a": HOSTILE + "ä"})
    shown = capsys.readouterr().out
    assert all(c.isprintable() or c == "\n" for c in shown)
    assert json.loads(shown) == {"a": HOSTILE + "ä"}


def test_a_node_that_gives_no_answer_may_still_do_what_was_asked(monkeypatch):
    monkeypatch.setattr(_client, "TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = NodeClient(f"http://127.0.0.1:{silent.getsockname()[1]}", "")
        with pytest.raises(Unavailable, match="it gave no answer within") as refused:
            client.get("/v1/jobs")
    assert "may still do what was asked" in refused.value.hint


def test_a_node_that_speaks_no_https_is_to_be_named_otherwise():
    with answering(200, b"{}") as plain, pytest.raises(Unavailable, match="does not speak https") as refused:
        NodeClient(plain.url.replace("http", "https"), "").get("/v1/x")
    assert "http://" in refused.value.hint


def test_how_long_an_answer_is_waited_for_is_what_the_command_says():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = NodeClient(f"http://127.0.0.1:{silent.getsockname()[1]}", "")
        with pytest.raises(Unavailable, match=r"it gave no answer within 0\.2 s"):
            client.post_json("/v1/jobs", {}, timeout_s=0.2)
