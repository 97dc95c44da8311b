"""Real sockets: a TLS listener whose certificate nobody trusts, and SSH servers that say this and that."""

import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import threading

import pytest

from phalanx.adapters.tls import ask_ssh
from phalanx.core import Unavailable


@contextlib.contextmanager
def server(*answers):
    """A port that says each answer to one visitor, and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        for answer in answers:
            with contextlib.suppress(OSError):
                visitor, _ = listener.accept()
                with visitor:
                    visitor.recv(255)
                    visitor.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        for _ in answers:
            with contextlib.suppress(OSError):
                socket.create_connection(listener.getsockname(), timeout=1).close()
        listener.close()
        thread.join()


def names(*items):
    text = ",".join(items).encode()
    return struct.pack(">I", len(text)) + text


def hello(*, kind=20, exchanges=("mlkem768x25519-sha256", "curve25519-sha256"), keys=("ssh-ed25519",), cut=0):
    payload = bytes([kind]) + bytes(16) + names(*exchanges) + names(*keys) + names() * 8 + bytes(5)
    payload = payload[: len(payload) - cut]
    padding = 8 - (len(payload) + 5) % 8 + 8
    packet = struct.pack(">IB", len(payload) + padding + 1, padding) + payload + bytes(padding)
    return b"banner of somebody\r\nSSH-2.0-Made_1.0\r\n" + packet


@pytest.mark.requirement("CRY-5")
def test_what_an_ssh_server_takes_is_read_from_its_first_words():
    with server(hello()) as port:
        offer = ask_ssh("127.0.0.1", port)
    assert offer.version == "SSH-2.0-Made_1.0"
    assert offer.key_exchanges == ("mlkem768x25519-sha256", "curve25519-sha256")
    assert offer.host_keys == ("ssh-ed25519",)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "hung up"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "hung up"),
        (b"x\n" * 100, "speaks no SSH"),
        (b"SSH-2.0-x\r\n" + struct.pack(">I", 1 << 30), "no list"),
        (b"SSH-2.0-x\r\n" + struct.pack(">I", 3), "no list"),
        (hello(kind=21), "no list"),
        (b"A" * 200_000, "more than"),
        (b"SSH-2.0-x\r\n" + struct.pack(">IB", 30, 4) + bytes([20]) + bytes(16) + struct.pack(">I", 999) + bytes(9),
         "ends in the middle"),
    ],
)  # fmt: skip
def test_who_says_something_else_is_unavailable_with_the_reason(answer, reason):
    with server(answer) as port, pytest.raises(Unavailable, match=reason):
        ask_ssh("127.0.0.1", port)


def test_who_does_not_answer_is_unavailable():
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    listener.close()
    with pytest.raises(Unavailable, match="refused"):
        ask_ssh("127.0.0.1", port)


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "phalanx", "posture", *map(str, arguments)],
        capture_output=True, text=True, check=False, env=os.environ,
    )  # fmt: skip


def test_the_command_lists_an_endpoint_and_a_diff_stops_what_makes_it_worse(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("sealed = AESGCM(key)\n")
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    assert run("inventory", tmp_path / "src", "--cbom", before).returncode == 0
    with server(hello()) as port:
        shown = run("inventory", tmp_path / "src", "--endpoint", f"ssh://127.0.0.1:{port}", "--cbom", after, "--json")
    assert shown.returncode == 0, shown.stderr
    listed = {one["name"] for one in json.loads(shown.stdout)["components"]}
    assert {f"SSH-2.0-Made_1.0 at ssh://127.0.0.1:{port}: mlkem768x25519-sha256", "AES"} <= listed
    same = run("diff", before, before)
    assert (same.returncode, same.stderr) == (0, "")
    worse = run("diff", before, after, "--json")
    assert worse.returncode == 1
    assert "must not be added" in worse.stderr
    assert {one["name"] for one in json.loads(worse.stdout)["worse"]} == {
        f"SSH-2.0-Made_1.0 at ssh://127.0.0.1:{port}: curve25519-sha256", f"SSH-2.0-Made_1.0 host key at ssh://127.0.0.1:{port}"
    }  # fmt: skip
    assert [
        run("diff", before, tmp_path / "none").returncode,
        run("diff", tmp_path / "src/a.py", after).returncode,
    ] == [2, 2]
