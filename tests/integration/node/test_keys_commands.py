"""`phalanx keys vault` and `phalanx keys migrate`, from the shell, on real data and a real node."""

import hashlib
import json
import os
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.requirement("CRY-2", "CRY-4")

PHALANX = [sys.executable, "-m", "phalanx"]
CHEAP = "memory_kib=64,passes=1,lanes=1"


def phalanx(*arguments, code=0, **environment):
    done = subprocess.run(
        [*PHALANX, *arguments], env=os.environ | environment, capture_output=True, text=True, timeout=60,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.fixture
def up(tmp_path):
    """Starts a node on a folder; gives what a client needs to speak to it."""
    running = []

    def start(*settings, **environment):
        command = [*PHALANX, "up", "--port", "0", "--data-dir", str(tmp_path / "data")]
        for setting in settings:
            command += ["--set", setting]
        node = subprocess.Popen(
            command, env=os.environ | environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )  # fmt: skip
        running.append(node)
        client = {}
        for line in node.stderr:
            if found := re.search(r"API\s+(http\S+)/v1", line):
                client["PHALANX_URL"] = found[1]
            if found := re.search(r"PHALANX_TOKEN=(\S+)", line):
                client["PHALANX_TOKEN"] = found[1]
            if "PHALANX_URL" in client and ("PHALANX_TOKEN" in client or len(running) > 1):
                break
        return client

    def stop():
        for node in running:
            node.terminate()
            node.communicate(timeout=30)

    start.stop = stop
    yield start
    stop()


def test_a_node_s_keys_from_the_shell(up, tmp_path):
    client = up()
    status = phalanx("keys", "vault", "status", **client)
    assert "wrapped by file" in status
    rotated = json.loads(phalanx("keys", "vault", "rotate", "root", "--json", **client))
    assert (rotated["level"], rotated["state"]) == ("root", "active")
    listed = json.loads(phalanx("keys", "vault", "list", "--json", **client))
    assert [key["state"] for key in listed if key["level"] == "root"] == ["destroyed", "active"]
    assert "there is no data key" in phalanx("keys", "vault", "rotate", "data", "--purpose", "none", code=5, **client)
    for wrong in (("data",), ("tenant", "--purpose", "store"), ("root", "--tenant", "acme")):
        assert "phalanx: --" in phalanx("keys", "vault", "rotate", *wrong, code=2, **client)
    assert "nothing was shredded" in phalanx("keys", "vault", "shred", "acme", "--confirm", "acne", code=2, **client)
    assert json.loads(phalanx("keys", "vault", "shred", "acme", "--confirm", "acme", "--json", **client)) == {
        "tenant": "acme",
        "had_keys": False,
    }
    assert "acme" in phalanx("keys", "vault", "status", **client)
    watched = phalanx("keys", "migrate", "--watch", **client)
    assert watched.startswith("done: ")
    assert json.loads(phalanx("keys", "migrate", "--status", "--json", **client))["state"] == "done"
    assert "cannot be combined" in phalanx("keys", "migrate", "--stop", "--watch", code=2, **client)
    up.stop()
    verified = json.loads(phalanx("ledger", "verify", "--data-dir", str(tmp_path / "data"), "--json"))
    assert verified["size"] >= 4


def test_what_guards_the_root_is_changed_while_the_node_is_stopped(up, tmp_path):
    folder = ("--data-dir", str(tmp_path / "data"))
    up()
    up.stop()
    wrapper = ("--set", "at_rest.wrapper=passphrase", "--set", f"at_rest.options={CHEAP}")
    refused = phalanx("ledger", "verify", *folder, *wrapper, code=4, PHALANX_PASSPHRASE="correct horse battery")
    assert "rewrap" in refused
    changed = phalanx(
        "keys", "vault", "rewrap", "--from", "file", *folder, *wrapper, PHALANX_NEW_PASSPHRASE="correct horse battery"
    )  # fmt: skip
    assert changed == "the root is wrapped by passphrase\n"
    assert "passphrase is another one" in phalanx(
        "ledger", "verify", *folder, *wrapper, code=4, PHALANX_PASSPHRASE="something else entirely"
    )
    assert "no terminal to ask at" in phalanx("ledger", "verify", *folder, *wrapper, code=3)
    phalanx(
        "keys", "vault", "rewrap", *folder, *wrapper,
        PHALANX_PASSPHRASE="correct horse battery", PHALANX_NEW_PASSPHRASE="a better one, longer",
    )  # fmt: skip
    phalanx("ledger", "verify", *folder, *wrapper, PHALANX_PASSPHRASE="a better one, longer")


@pytest.mark.requirement("AGT-5", "ZTA-3")
def test_identities_from_the_shell_over_tls(up, tmp_path):
    client = up("api.tls_self_signed=true", "identity.organisation=acme")
    client["PHALANX_CA"] = str(tmp_path / "data/keys/tls.crt")
    assert client["PHALANX_URL"].startswith("https:")

    def run(*arguments, code=0):
        return phalanx("keys", "identity", *arguments, code=code, **client)

    kinds = {one["subject"].partition(":")[0] for one in json.loads(run("list", "--json"))}
    assert kinds == {"organisation", "node", "agent"}
    root = json.loads(run("show", "organisation:acme", "--json"))["identity"]["key"]
    made, chain = tmp_path / "kim.identity", tmp_path / "kim.chain"
    assert "person:acme/kim" in run("issue", "person:acme/kim", "--out", str(made))
    assert made.stat().st_mode & 0o777 == 0o600
    assert "is there already" in run("issue", "person:acme/ada", "--out", str(made), code=2)
    run("export", "person:acme/kim", "--out", str(chain))
    assert "person:acme/kim holds" in run("verify", str(chain), "--root", root)
    assert "not trusted here" in run("verify", str(chain), "--root", "00" * 32, code=6)

    before = json.loads(phalanx("agents", "list", "--json", **client))[0]
    run("revoke", before["identity"], "--why", "key-compromised", "--note", "a drill")
    after = json.loads(phalanx("agents", "list", "--json", **client))[0]
    assert after["identity"] != before["identity"] or after["state"] == "barred"

    assert json.loads(run("rotate", "organisation:acme", "--json"))["identity"]["epoch"] == 2
    done = json.loads(run("reissue", "--watch", "--json"))
    assert (done["state"], done["done"], done["total"]) == ("done", 2, 2)  # the node and kim
    assert run("reissue", "--status").startswith("done: 2 of 2")
    run("export", "person:acme/kim", "--out", str(chain))
    assert json.loads(run("rotate", "node:acme/phalanx", "--json"))["identity"]["epoch"] == 2
    run("revoke", "person:acme/kim", "--why", "ceased")
    listed = tmp_path / "acme.list"
    run("export", "organisation:acme", "--revocations", "--out", str(listed))
    failed = run("verify", str(chain), "--root", root, "--revocations", str(listed), code=6)
    assert "breaks at link 0" in failed
    assert "known already" in run("accept", str(listed))
    assert [one["state"] for one in json.loads(run("list", "--kind", "person", "--json"))] == ["revoked"] * 2


def test_artefacts_from_the_shell(up, tmp_path):
    client = up()
    capture, back = tmp_path / "capture.pcap", tmp_path / "back"
    capture.write_bytes(b"who was there " * 50_000)
    made = json.loads(phalanx("artefacts", "put", str(capture), "--case", "host:ws-1", "--json", **client))
    assert (made["name"], made["size"], made["use"]) == ("capture.pcap", 700_000, "upload")
    assert "capture.pcap" in phalanx("artefacts", "list", "--case", "host:ws-1", **client)
    assert "there is none" in phalanx("artefacts", "list", "--use", "evidence", **client)
    assert made["sha256"] in phalanx("artefacts", "get", made["id"], "--out", str(back), **client)
    assert back.read_bytes() == capture.read_bytes()
    assert back.stat().st_mode & 0o777 == 0o600
    assert "is there already" in phalanx("artefacts", "get", made["id"], "--out", str(back), code=2, **client)
    (stored,) = [file for file in (tmp_path / "data/artefacts").iterdir() if file.name != ".lock"]
    assert b"who was there" not in stored.read_bytes()

    bundle = tmp_path / "case.json"
    exported = phalanx("ledger", "export", "--case", "host:ws-1", "--keep", "--out", str(bundle), **client)
    assert "entries under a checkpoint" in exported
    (kept,) = json.loads(phalanx("artefacts", "list", "--use", "evidence", "--json", **client))
    assert kept["sha256"] == hashlib.sha256(bundle.read_bytes()).hexdigest()
    assert "verified" in phalanx("ledger", "verify", str(bundle))

    assert "removed capture.pcap" in phalanx("artefacts", "remove", made["id"], **client)
    assert "no artefact" in phalanx("artefacts", "get", made["id"], "--out", str(tmp_path / "gone"), code=5, **client)
    assert not list(tmp_path.glob("gone*"))
