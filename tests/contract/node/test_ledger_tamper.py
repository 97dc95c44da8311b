"""A byte changed in what a stopped node stored, on either kind of storage, is named by `phalanx ledger verify`."""

import asyncio
import contextlib
import json
import sqlite3

import pytest
from click.testing import CliRunner

from phalanx.cli._main import root
from phalanx.core import DEFAULT_TENANT, NO_TRACE, AuditEntry
from phalanx.ledger import LedgerTampered
from phalanx.ledger._limits import IDS_PER_PAGE
from phalanx.node import audit_ledger, build_node, load_settings, open_ports

pytestmark = pytest.mark.requirement("IRS-4")

N = IDS_PER_PAGE + 100
# What each table holds, by what an audit calls it.
ROWS = {
    "ledger_tiles": {"leaf hash", "checksum", "tile of level 1"},
    "ledger_id_pages": {"id index"},
    "ledger_id_runs": {"id index"},
    "ledger_checkpoints": {"checkpoint"},
    "ledger_anchors": {"anchor of 2026-01-01"},
    "ledger_case_pages": {"case index"},
    "ledger_case_head": {"case index"},
}


def flipped(value, at):
    return value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]


async def fill(settings):
    """A node that recorded entries, signed a checkpoint and an anchor, and stopped."""
    async with open_ports(settings) as ports, build_node(settings, ports) as node:
        entries = (
            AuditEntry(f"id {n}", DEFAULT_TENANT, NO_TRACE, n, "actor", "action", "subject", "case", {"n": n})
            for n in range(N)
        )
        for _ in range(5):
            some = [entry for _, entry in zip(range(1_000), entries, strict=False)]
            await asyncio.gather(*map(node.ledger.record, some))
        key = ports.anchor_key()
        await node.anchors.announce(key.public, node.ledger)
        await node.anchors.sign(key, await node.ledger.checkpoint(), "2026-01-01")
        await node.vouching.evidence.cases.catch_up()


class Embedded:
    """The files of a node's data folder."""

    def __init__(self, folder):
        self.flags = {"node.data_dir": folder}
        self._database = folder / "state.sqlite"
        self._segments = folder / "journals" / "ledger"

    def rows(self, table):
        with contextlib.closing(sqlite3.connect(self._database)) as db:
            return db.execute("SELECT key, value FROM rows WHERE tbl = ?", (table,)).fetchall()

    def write(self, table, key, value):
        with contextlib.closing(sqlite3.connect(self._database)) as db, db:
            db.execute("UPDATE rows SET value = ? WHERE tbl = ? AND key = ?", (value, table, key))

    @contextlib.contextmanager
    def changed_record(self, index, offset):
        """The journal's file with a bit flipped so far behind the beginning of an entry's leaf."""
        sought = b'"id":"id %d"' % index
        (file,) = (path for path in self._segments.iterdir() if sought in path.read_bytes())
        whole = file.read_bytes()
        file.write_bytes(flipped(whole, whole.index(sought) + offset))
        yield
        file.write_bytes(whole)


class Postgres:
    """The tables of a database."""

    def __init__(self, server, folder, name):
        self._server = server
        server.sql(f"CREATE DATABASE {name}")
        self._dsn = server.dsn.replace("/postgres?", f"/{name}?")
        self.flags = {"node.data_dir": folder, "store.kind": "postgres", "store.dsn": self._dsn}

    def _sql(self, statement):
        options = ("-X", "-A", "-t", "-v", "ON_ERROR_STOP=1")
        return self._server.tool("psql", *options, "-c", f"SET search_path TO phalanx; {statement}", self._dsn)

    def _read(self, statement):
        lines = self._sql(statement).splitlines()
        return [line.split("|") for line in lines if "|" in line]

    def rows(self, table):
        found = self._read(f"SELECT encode(key, 'hex'), encode(value, 'hex') FROM rows WHERE tbl = '{table}'")
        return [(key, bytes.fromhex(value)) for key, value in found]

    def write(self, table, key, value):
        # The statement goes over a command line, so only what differs is sent.
        old = dict(self.rows(table))[key]
        (at,) = (at for at, (one, other) in enumerate(zip(old, value, strict=True)) if one != other)
        changed = f"set_byte(value, {at}, {value[at]})"
        self._sql(f"UPDATE rows SET value = {changed} WHERE tbl = '{table}' AND key = decode('{key}', 'hex')")

    @contextlib.contextmanager
    def changed_record(self, index, offset):
        sought = (b'"id":"id %d"' % index).hex()
        ((at, place, old),) = self._read(
            f"SELECT at, position('\\x{sought}'::bytea in body) - 1 + {offset},"
            f" get_byte(body, position('\\x{sought}'::bytea in body) - 1 + {offset})"
            f" FROM records WHERE journal = 'ledger' AND position('\\x{sought}'::bytea in body) > 0"
        )
        for byte in (int(old) ^ 1, int(old)):
            self._sql(
                f"UPDATE records SET body = set_byte(body, {place}, {byte}) WHERE journal = 'ledger' AND at = {at}"
            )
            if byte != int(old):
                yield


@pytest.fixture(params=["embedded", pytest.param("postgres", marks=pytest.mark.postgres)])
def stored(request, tmp_path):
    if request.param == "embedded":
        return Embedded(tmp_path / "node")
    name = f"tamper_{request.function.__name__}"[:60]
    return Postgres(request.getfixturevalue("postgres_server"), tmp_path / "node", name)


@pytest.mark.slow
def test_every_kind_of_byte(stored):
    settings = load_settings(flags=stored.flags).settings
    asyncio.run(fill(settings))

    def refused():
        with pytest.raises(LedgerTampered) as caught:
            asyncio.run(audit_ledger(settings))
        return caught.value

    report = asyncio.run(audit_ledger(settings))
    assert (report.size >= N, report.checkpoints >= 1, report.anchors) == (True, True, 1)
    for table, names in ROWS.items():
        named = set()
        rows = sorted(stored.rows(table))
        assert rows, table
        for key, value in (rows[0], rows[-1]):
            for at in (0, len(value) - 1):
                stored.write(table, key, flipped(value, at))
                named.add(refused().what)
                stored.write(table, key, value)
        assert named <= names, table
        assert len(named) == min(len(names), 2) or table == "ledger_tiles"
    # A byte of the leaf, and one of the sealed payload behind it.
    for offset in (2, 120):
        with stored.changed_record(N // 2, offset):
            found = refused()
            assert found.what in {"entry", "payload", "byte"}
    assert asyncio.run(audit_ledger(settings)) == report


@pytest.mark.slow
def test_an_index_that_was_changed_is_made_anew_by_a_command(stored):
    settings = load_settings(flags=stored.flags).settings
    asyncio.run(fill(settings))
    flags = [flag for name, value in stored.flags.items() for flag in ("--set", f"{name}={value}")]

    def run(*arguments):
        return CliRunner().invoke(root, ["ledger", *arguments, *flags, "--json"])

    before = json.loads(run("verify").stdout)
    assert json.loads(run("reindex").stdout) == {"size": before["size"], "problem": ""}
    for table in ("ledger_case_pages", "ledger_case_head", "ledger_id_pages", "ledger_id_runs"):
        good = sorted(stored.rows(table))
        key, value = good[-1]
        stored.write(table, key, flipped(value, len(value) - 1))
        done = run("verify")
        assert isinstance(done.exception, LedgerTampered)
        assert done.exception.what in ROWS[table]
        assert "phalanx ledger reindex" in done.exception.hint
        assert json.loads(run("reindex").stdout) == {"size": before["size"], "problem": done.exception.message}
        assert json.loads(run("verify").stdout) == before
        if table != "ledger_case_head":  # which is signed again, with another time in it
            assert sorted(stored.rows(table)) == good
    # A log that does not hold itself is indexed by nobody.
    tile, value = min(stored.rows("ledger_tiles"))
    stored.write("ledger_tiles", tile, flipped(value, 40))
    (key, page), *_ = sorted(stored.rows("ledger_case_pages"))
    stored.write("ledger_case_pages", key, flipped(page, 0))
    done = run("reindex")
    assert isinstance(done.exception, LedgerTampered)
    assert "leaf hash 1" in done.exception.message
    assert dict(stored.rows("ledger_case_pages"))[key] == flipped(page, 0)


@pytest.mark.slow
def test_the_command_says_what_was_changed(tmp_path):
    stored = Embedded(tmp_path / "node")
    asyncio.run(fill(load_settings(flags=stored.flags).settings))

    def run(*arguments):
        return CliRunner().invoke(root, ["ledger", *arguments, "--data-dir", str(tmp_path / "node"), "--json"])

    report = json.loads(run("verify").stdout)
    assert report["size"] >= N
    written = json.loads(run("tiles", str(tmp_path / "log")).stdout)
    assert written["files"] == written["written"] > 2 * (N // 256)
    again = json.loads(run("tiles", str(tmp_path / "log")).stdout)
    assert (again["files"], again["written"]) == (written["files"], 1)
    assert (tmp_path / "log" / "checkpoint").read_text().startswith("phalanx-ledger/")
    assert len((tmp_path / "log" / "tile" / "0" / "000").read_bytes()) == 256 * 32
    ((key, value), *_) = sorted(stored.rows("ledger_tiles"))
    stored.write("ledger_tiles", key, flipped(value, 40))
    done = run("verify")
    assert isinstance(done.exception, LedgerTampered)
    assert "leaf hash 1" in done.exception.message
