"""Backups of real nodes: while events pour in, killed in the middle, on a full disk, and gone on from."""

import asyncio
import contextlib
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from phalanx.api import create_app
from phalanx.cli._main import root
from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    AuditEntry,
    HttpAnswer,
    InvalidInput,
    StorageError,
    Unavailable,
    derive_id,
)
from phalanx.ledger.witness import Cosigner, TrustedLog
from phalanx.node import RolledBack, Settings, accept_loss, audit_ledger, back_up, build_node, open_ports, restore
from phalanx.testing import SimLog

READ_S = 300
LOG, WITNESS = "http://log", "http://witness"


def quiet(what, done, total):
    """Nobody looks."""


def settings_of(folder, **sections):
    return Settings.model_validate({"node": {"data_dir": folder, "drain_s": 0}, **sections})


class Up:
    """A `phalanx up` process on one data folder."""

    def __init__(self, data_dir):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "phalanx", "up", "--port", "0", "--data-dir", str(data_dir)],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        said, url, token = "", "", ""
        while not url or not token:
            line = self.process.stderr.readline()
            assert line, said
            said += line
            if found := re.match(r"API +(\S+)/v1", line):
                url = found[1]
            if "PHALANX_TOKEN=" in line:
                token = line.partition("=")[2].strip()
        # What it logs from here on would fill the pipe.
        self.drain = threading.Thread(target=self.process.stderr.read)
        self.drain.start()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}
        self.http = httpx.Client(base_url=url, headers=headers, timeout=READ_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.drain.join()
        self.process.stderr.close()
        self.http.close()


class Pouring:
    """Sends chunks one after the other; ``acknowledged`` are the first event of each and its host."""

    def __init__(self, http):
        self.http, self.acknowledged, self.stop = http, [], threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        number = 0
        while not self.stop.is_set():
            number += 1
            event = {"EventID": 1, "Channel": "Security", "Hostname": f"ws-{number}", "CommandLine": "x" * 2_000}
            answer = self.http.post("/v1/events", content=b"\n".join([json.dumps(event).encode()] * 20))
            if answer.status_code == 202:
                self.acknowledged.append((answer.json()["first_event"], event["Hostname"]))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


@pytest.mark.slow
def test_backups_of_a_busy_node_have_all_that_was_acknowledged_before(tmp_path):
    backups = []
    with Up(tmp_path / "data") as node, Pouring(node.http) as pouring:
        for number in range(3):
            while len(pouring.acknowledged) < 10 * (number + 1):
                time.sleep(0.01)
            before = list(pouring.acknowledged)
            made = back_up(settings_of(tmp_path / "data"), tmp_path / f"backup-{number}", quiet)
            backups.append((made, before))
    for number, (made, before) in enumerate(backups):
        again = tmp_path / f"again-{number}"
        restore(made.folder, again, quiet)
        report = asyncio.run(audit_ledger(settings_of(again)))
        assert report.size >= made.signed.manifest.ledger_size
        asyncio.run(_has(again, before))


async def _has(folder, acknowledged):
    settings = settings_of(folder)
    async with open_ports(settings) as ports, build_node(settings, ports) as node:
        await node.settled()
        for event, host in acknowledged:
            assert (await node.events.get(DEFAULT_TENANT, event)).get("Hostname") == host
        (entry,) = [one for one in await node.ledger.entries(-1, 1_000) if one.entry.action == "restored from a backup"]
        assert entry.entry.body["seen_further"] == {}
        assert any("restored from a backup" in one.text for one in node.alerts.recent())
    # It is an ordinary folder now: nothing is told a second time.
    async with open_ports(settings) as ports:
        assert ports.restored is None


KILLED = """
import os, signal, sys
from pathlib import Path
from phalanx.node import Settings, back_up

left = int(sys.argv[3])

def progress(what, done, total):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

back_up(Settings.model_validate({"node": {"data_dir": sys.argv[1]}}), Path(sys.argv[2]), progress)
"""


@pytest.mark.slow
def test_a_backup_that_is_killed_is_none_and_the_node_does_not_mind(tmp_path):
    data, to = tmp_path / "data", tmp_path / "backup"
    with Up(data) as node, Pouring(node.http) as pouring:
        while len(pouring.acknowledged) < 5:
            time.sleep(0.01)
        for steps in range(4):
            killed = subprocess.run([sys.executable, "-c", KILLED, data, to, str(steps)], check=False)
            assert killed.returncode == -signal.SIGKILL
            assert not to.exists()
            said = CliRunner().invoke(root, ["backup", "restore", str(to), "--data-dir", str(tmp_path / "again")])
            assert said.exit_code != 0
        back_up(settings_of(data), to, quiet)
        before = len(pouring.acknowledged)
        while len(pouring.acknowledged) < before + 3:
            time.sleep(0.01)
    restore(to, tmp_path / "again", quiet)
    asyncio.run(audit_ledger(settings_of(tmp_path / "again")))


@pytest.fixture
def small_disk(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def _phalanx(*arguments):
    return subprocess.run([sys.executable, "-m", "phalanx", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_disk_without_room_is_refused_and_one_that_fills_up_leaves_no_backup(tmp_path, small_disk):
    data = tmp_path / "data"
    with Up(data):
        pass
    (data / "archive" / "big").write_bytes(os.urandom(12 << 20))
    to = small_disk / "backup"
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(10 << 20))
    refused = _phalanx("backup", "create", str(to), "--data-dir", str(data))
    assert refused.returncode == 7
    assert "MiB free: the copy takes" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert [one.name for one in small_disk.iterdir()] == ["ballast"]

    # There seems to be room when it begins, and something else takes it.
    ballast.unlink()

    def progress(what, done, total):
        if not ballast.exists():
            ballast.write_bytes(bytes(72 << 20))

    with pytest.raises(StorageError, match="no space left") as caught:
        back_up(settings_of(data), to, progress)
    assert "it goes on there" in caught.value.hint
    assert not to.exists()
    ballast.unlink()
    again = _phalanx("backup", "create", str(to), "--data-dir", str(data), "--json")
    assert again.returncode == 0, again.stderr
    assert _phalanx("backup", "verify", str(to), "--digest", json.loads(again.stdout)["digest"]).returncode == 0


def entry(number):
    return AuditEntry(
        id=derive_id(1, "test", str(number)), tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=number,
        actor="policy", action="approved", subject=str(number), case="host-1",
    )  # fmt: skip


class AsgiCalls:
    """HTTP between applications in one process, through their whole stack."""

    def __init__(self):
        self.apps = {}

    async def post(self, url, body, *, content_type, max_bytes, within_s):
        base = next((base for base in self.apps if url.startswith(base)), None)
        if base is None:
            raise Unavailable(url, "nobody is there")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.apps[base]), base_url=base) as http:
            answer = await http.post(url, content=body, headers={"Content-Type": content_type})
        return HttpAnswer(answer.status_code, answer.headers.get("content-type", ""), answer.content)


@pytest.mark.requirement("IRS-4")
@pytest.mark.parametrize("by", ["witnesses", "neighbours"])
def test_a_ledger_that_others_saw_go_further_does_not_go_on_from_a_backup_unless_that_is_wanted(tmp_path, by):
    calls = AsgiCalls()

    @contextlib.asynccontextmanager
    async def node_in(folder, ledger):
        settings = settings_of(folder, ledger=ledger)
        async with open_ports(settings) as ports:
            mine = dataclasses.replace(ports, calls=calls)
            async with build_node(settings, mine) as node:
                yield node

    async def keys(folder):
        async with open_ports(settings_of(folder)) as ports:
            log = SimLog(ports.signer, ports.clock)
            return (
                [str(key) for key in TrustedLog.of(log.origin, log.public_key).keys],
                [str(key) for key in Cosigner(ports.signer).keys.keys],
            )

    async def main():
        data = tmp_path / "data"
        log_keys, _ = await keys(data)
        _, witness_keys = await keys(tmp_path / "witness")
        asks = {
            "witnesses": {"witnesses": [{"url": f"{WITNESS}/v1/witness", "keys": witness_keys}]},
            "neighbours": {"neighbours": [WITNESS]},
        }[by]
        async with node_in(tmp_path / "witness", {"witness_for": [{"keys": log_keys, "url": LOG}]}) as witness:
            calls.apps[WITNESS] = create_app(witness)
            async with node_in(data, asks) as log:
                calls.apps[LOG] = create_app(log)
                await log.ledger.record(entry(1))
                await asyncio.to_thread(back_up, settings_of(data), tmp_path / "backup", quiet)
                for number in range(2, 5):
                    await log.ledger.record(entry(number))
                await log.ledger.checkpoint()
                await log.vouching.witnesses.round()
                await log.vouching.gossip.round()
            del calls.apps[LOG]
            again = tmp_path / "again"
            restore(tmp_path / "backup", again, quiet)
            with pytest.raises(RolledBack, match="entries of its ledger") as caught:
                async with node_in(again, asks):
                    pass
            assert "of this log, which has" in caught.value.reason
            before = caught.value.size
            assert (await audit_ledger(settings_of(again))).size == before, "nothing was added"
            accept_loss(again)
            async with node_in(again, asks) as log:
                (found,) = [one for one in await log.ledger.entries(-1, 100) if one.entry.action.startswith("restored")]
                assert found.index == before
                assert found.entry.body["seen_further"]
                assert found.entry.body["accepts"] is True
                (alert,) = [one for one in log.alerts.recent() if "restored" in one.text]
                assert alert.level.value == "urgent"

    asyncio.run(main())


def test_a_copy_does_not_start_beside_the_node_that_it_is_of(tmp_path):
    data, again = tmp_path / "data", tmp_path / "again"

    async def main():
        settings = settings_of(data)
        async with open_ports(settings) as ports, build_node(settings, ports):
            await asyncio.to_thread(back_up, settings, tmp_path / "backup", quiet)
            restore(tmp_path / "backup", again, quiet)
            with pytest.raises(Unavailable, match="it is a copy of the node in"):
                async with open_ports(settings_of(again)):
                    pass
        async with open_ports(settings_of(again)) as ports:
            assert ports.restored is not None

    asyncio.run(main())


SCRIPT = Path(__file__).resolve().parents[3] / "deploy" / "phalanx-backup"


@pytest.mark.slow
def test_the_script_of_every_night_links_verifies_goes_on_and_removes_the_oldest(tmp_path):
    data, backups, programs = tmp_path / "data", tmp_path / "backups", tmp_path / "programs"
    with Up(data):
        pass
    (data / "archive" / "old").write_bytes(bytes(100_000))
    backups.mkdir()
    programs.mkdir()
    (programs / "phalanx").write_text(f'#!/bin/sh\nexec {sys.executable} -m phalanx "$@"\n')
    (programs / "phalanx").chmod(0o755)

    def night(date):
        (programs / "date").write_text(f"#!/bin/sh\necho {date}\n")
        (programs / "date").chmod(0o755)
        environment = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(
            [SCRIPT, backups, data, "2"], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "verified" in done.stdout
        return sorted(one.name for one in backups.iterdir())

    assert night("2026-03-01T023000") == ["2026-03-01T023000"]
    assert night("2026-03-02T023000") == ["2026-03-01T023000", "2026-03-02T023000"]
    (backups / "2026-03-03T023000.part").mkdir()
    assert night("2026-03-04T023000") == ["2026-03-02T023000", "2026-03-03T023000"], "the unfinished one was finished"
    files = [backups / name / "data/archive/old" for name in ("2026-03-02T023000", "2026-03-03T023000")]
    assert len({one.stat().st_ino for one in files}) == 1


def test_a_folder_of_another_user_is_left_to_that_user(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("giving a folder to another user needs root")
    data = tmp_path / "data"

    async def main():
        async with open_ports(settings_of(data)):
            pass

    asyncio.run(main())
    os.chown(data, 65_534, 65_534)
    with pytest.raises(InvalidInput, match="belongs to") as caught:
        back_up(settings_of(data), tmp_path / "backup", quiet)
    assert "sudo -u" in caught.value.hint
    assert not (tmp_path / "backup.part").exists()
