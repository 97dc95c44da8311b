"""Reading: MB and events a second for each format, every line of the public recordings, a listener, and hostile input.

Rates are for one processor's seconds, best of the rounds, from bytes to columns. Beside each stands what has to be done
at least: decoding the JSON, cutting the line, or another library that reads the same. Lines of files are counted a
second time by plain means, and must be the same.
"""

import asyncio
import contextlib
import csv
import gzip
import io
import json
import resource
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from phalanx.adapters import OsEntropy, SystemClock, ThreadOffload
from phalanx.adapters.connectors import syslog_source
from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.bench.intel._detect_loads import ACCEPTED_NS, BATCH
from phalanx.bench.intel._ingest_loads import FORMATS, JSON_FORMATS, ZEEK_TSV_HEADER, hostile, made
from phalanx.bench.public import find_data
from phalanx.core import DEFAULT_TENANT, PhalanxError, Unavailable
from phalanx.intel import read_lines
from phalanx.intel.delivery import ConnectorContext
from phalanx.intel.reading import EVTX_CHUNK_BYTES, EVTX_HEADER_BYTES, Tally, evtx_lines, slices, tsv_reader, unpack

_LINES, _QUICK_LINES = 40_000, 4_000
_SENT, _QUICK_SENT = 300_000, 60_000
_ROUNDS = 3
_MB = 1e6


async def ingest_bench(options: BenchOptions) -> BenchResult:
    """See the module."""
    figures: dict[str, Any] = {}
    baselines: dict[str, Any] = {}
    ratios: dict[str, Any] = {}
    n = _QUICK_LINES if options.quick else _LINES
    for name in FORMATS:
        options.tell(f"{n} lines of {name}")
        lines, spoilt = made(name, n, options.rng.child(name))
        figures[name], baselines[name] = _measured(name, lines, spoilt)
        ratios[f"{name}_over_baseline"] = round(
            figures[name]["events_per_s"] / max(baselines[name].values()), 3
        )  # fmt: skip
    if _recordings():
        options.tell("every line of every recording")
        figures["files"], baselines["files"] = _files()
        options.tell("event logs of Windows")
        figures["evtx"], baselines["evtx"] = _event_logs()
    options.tell("hostile lines")
    figures["hostile"] = _hostile()
    options.tell("a listener")
    sent = _QUICK_SENT if options.quick else _SENT
    figures["listener"], baselines["listener"] = await _listened(sent)
    ratios["listener_over_baseline"] = round(
        figures["listener"]["lines_per_s"] / baselines["listener"]["bare_lines_per_s"], 3
    )  # fmt: skip
    figures["peak_memory_mib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024)
    return BenchResult(
        load={"lines_per_format": n, "spoilt_every": 50, "rounds": _ROUNDS, "lines_sent_to_listener": sent},
        figures=figures, baselines=baselines, ratios=ratios,
    )  # fmt: skip


def _measured(name: str, lines: list[bytes], spoilt: int) -> tuple[dict[str, Any], dict[str, float]]:
    reader = tsv_reader(ZEEK_TSV_HEADER) if name == "zeek-tsv" else "auto"
    size = sum(map(len, lines)) + len(lines)
    tally = _read(lines, reader)
    if tally.events + tally.rejected != len(lines):
        raise AssertionError(f"{name}: {tally.events} + {tally.rejected} of {len(lines)} lines")
    took_s = _best_cpu_s(lambda: _read(lines, reader))
    told = {
        "events_per_s": round(len(lines) / took_s), "mb_per_s": round(size / _MB / took_s, 1), "events": tally.events,
        "rejected": tally.rejected, "spoilt": spoilt, "bytes_per_line": round(size / len(lines)),
    }  # fmt: skip
    return told, {f"{how}_per_s": round(len(lines) / _best_cpu_s(work)) for how, work in _bare(name, lines).items()}


def _bare(name: str, lines: list[bytes]) -> dict[str, Callable[[], object]]:
    """What has to be done at least, without any understanding."""
    if name in JSON_FORMATS:
        return {
            "msgspec_decode": lambda: _each(lines, msgspec.json.decode),
            "json_loads": lambda: _each(lines, json.loads),
        }
    text = [line.decode() for line in lines]
    delimiter = {"cef": "|", "leef": "^", "zeek-tsv": "\t"}.get(name, " ")
    return {"csv_reader": lambda: list(csv.reader(text, delimiter=delimiter, quoting=csv.QUOTE_NONE))}


def _each(lines: list[bytes], decode: Callable[[bytes], object]) -> None:
    for line in lines:
        with contextlib.suppress(msgspec.DecodeError, json.JSONDecodeError):
            decode(line)


def _read(lines: list[bytes], reader: str) -> Tally:
    tally = Tally()
    for first_row, some in slices(lines):
        tally.add(
            list(some),
            read_lines(
                some, first_row=first_row, reader=reader, tenant=DEFAULT_TENANT, batch=BATCH, accepted_at_ns=ACCEPTED_NS
            ),
        )
    return tally


def _best_cpu_s(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(_ROUNDS):
        began_ns = time.process_time_ns()
        work()
        best = min(best, (time.process_time_ns() - began_ns) / 1e9)
    return max(best, 1e-9)


def _recordings() -> list[Path]:
    """Folders of public logs, of those that are there."""
    return [folder for name in ("evtx", "otrf") if (folder := find_data(name)) is not None]


def _files() -> tuple[dict[str, Any], dict[str, Any]]:
    """Every file of the recordings: its lines as they are read, and as anybody would count them."""
    total, refused, n_files, plain = Tally(), 0, 0, 0
    began_ns = time.process_time_ns()
    files = [file for folder in _recordings() for file in sorted(folder.rglob("*")) if file.is_file()]
    for file in files:
        n_files += 1
        with file.open("rb") as opened:
            for part in _parts(unpack(opened, file.name)):
                if part is None or part.kind == "refused":
                    refused += 1
                    continue
                for lines in part.lines:
                    total.add(lines, _read_all(lines, part.reader or "auto"))
    took_s = (time.process_time_ns() - began_ns) / 1e9
    for file in files:
        plain += sum(_plain_count(data) for data in _plain(file))
    lost = plain - total.lines
    if lost or total.lines != total.events + total.rejected + total.skipped:
        raise AssertionError(f"{total.lines} lines read, {plain} are there")
    told = {
        "files": n_files, "lines": total.lines, "events": total.events, "rejected": total.rejected, "lost": lost,
        "not_logs": refused, "mb_per_s": round(total.bytes_read / _MB / took_s, 1),
        "events_per_s": round(total.lines / took_s), "formats": dict(total.formats.most_common()),
        "reasons": dict(total.reasons.most_common(10)),
    }  # fmt: skip
    return told, {"lines_counted_by_plain_means": plain}


def _parts(parts: Iterator[Any]) -> Iterator[Any]:
    """The parts of a file; None for what ended it, a packet capture for example."""
    while True:
        try:
            part = next(parts, False)
        except PhalanxError:
            yield None
            return
        if part is False:
            return
        yield part


def _read_all(lines: list[bytes], reader: str) -> Any:
    return read_lines(lines, reader=reader, tenant=DEFAULT_TENANT, batch=BATCH, accepted_at_ns=ACCEPTED_NS)


def _plain(file: Path) -> Iterator[bytes]:
    """What is in a file, by the standard library alone."""
    if file.suffix == ".zip":
        with zipfile.ZipFile(file) as archive:
            yield from (archive.read(name) for name in archive.namelist() if not name.endswith("/"))
    elif file.suffix == ".gz":
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(file.read_bytes().rstrip(b"\n"))), mode="r:") as archive:
            yield from (opened.read() for one in archive if (opened := archive.extractfile(one)) is not None)
    else:
        yield file.read_bytes()


def _plain_count(data: bytes) -> int:
    if data.startswith(b"ElfFile\0"):
        # The record numbers that the headers of the chunks in use name: last − first + 1.
        return sum(_in_chunk(data[at : at + 40]) for at in range(EVTX_HEADER_BYTES, len(data), EVTX_CHUNK_BYTES))
    if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x0a\x0d\x0d\x0a"):
        return 0
    return sum(1 for line in data.split(b"\n") if line.strip())


def _in_chunk(head: bytes) -> int:
    first, last = (int.from_bytes(head[at : at + 8], "little") for at in (8, 16))
    return last - first + 1 if head.startswith(b"ElfChnk\0") and 0 < last < 2**63 else 0


def _event_logs() -> tuple[dict[str, Any], dict[str, Any]]:
    data = [file.read_bytes() for file in [one for folder in _recordings() for one in sorted(folder.rglob("*.evtx"))]]
    size = sum(map(len, data))
    records = sum(len(list(evtx_lines(one))) for one in data)
    took_s = _best_cpu_s(lambda: [list(evtx_lines(one)) for one in data])
    told = {
        "files": len(data), "records": records, "records_per_s": round(records / took_s),
        "mb_per_s": round(size / _MB / took_s, 1),
    }  # fmt: skip
    try:
        import evtx
    except ImportError:
        return told, {}
    other = _best_cpu_s(lambda: [list(evtx.PyEvtxParser(io.BytesIO(one)).records_json()) for one in data])
    n_other = sum(len(list(evtx.PyEvtxParser(io.BytesIO(one)).records_json())) for one in data)
    return told, {"pyevtx_rs_records": n_other, "pyevtx_rs_records_per_s": round(n_other / other)}


def _hostile() -> dict[str, Any]:
    """Each line alone: how long it took and why it was refused. It must not raise, nor take long."""
    told: dict[str, Any] = {}
    for name, line in hostile().items():
        began_ns = time.process_time_ns()
        out = _read_all([line], "auto")
        took_ms = (time.process_time_ns() - began_ns) / 1e6
        told[name] = {"cpu_ms": round(took_ms, 2), "refused": out.rejected[0].reason if out.rejected else ""}
    bomb = gzip.compress(b"x\n" * 100_000_000, 9)
    began_ns = time.process_time_ns()
    n_lines = 0
    try:
        for part in unpack(io.BytesIO(bomb), "bomb.gz"):
            for lines in part.lines:
                n_lines += len(lines)
        reason = ""
    except PhalanxError as error:
        reason = error.message
    took_ms = (time.process_time_ns() - began_ns) / 1e6
    told["bomb_200_mb_in_200_kb"] = {"cpu_ms": round(took_ms, 2), "lines_before_the_end": n_lines, "refused": reason}
    return told


async def _listened(n: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Octet-counted messages of one peer over loopback, through a listener and through a bare reader."""
    lines, _ = made("syslog", min(n, 20_000), BenchOptions(1, quick=True).rng)
    data = b"".join(b"%d %s" % (len(line), line) for line in lines) * (n // len(lines))
    n = n // len(lines) * len(lines)
    with TemporaryDirectory() as folder:
        context = ConnectorContext(
            name="bench", where="sources.bench", node="bench", options={"port": "0"}, data_dir=Path(folder),
            clock=SystemClock(), entropy=OsEntropy(), offload=ThreadOffload(1), secret=lambda _: b"",
        )  # fmt: skip
        source = syslog_source(context)
        await source.open()
        began_ns = time.perf_counter_ns()
        sending = asyncio.create_task(_send(source.address, data))
        got, lost, position = 0, 0, ""
        while got < n:
            drawn = await source.draw(position, until="", max_bytes=512 * 1_024, within_s=5.0)
            if not drawn.lines:
                raise Unavailable("the listener", f"{got} of {n} lines arrived")
            got, lost, position = got + drawn.lines.count(b"\n"), lost + drawn.gap, drawn.position
        took_s = (time.perf_counter_ns() - began_ns) / 1e9
        await sending
        await source.close()
    bare_s = await _bare_reader(data)
    return (
        {"lines": got, "lost": lost, "lines_per_s": round(n / took_s), "mb_per_s": round(len(data) / _MB / took_s, 1)},
        {"bare_lines_per_s": round(n / bare_s)},
    )  # fmt: skip


async def _send(address: tuple[str, int], data: bytes) -> None:
    _, writer = await asyncio.open_connection(*address)
    for at in range(0, len(data), 1 << 18):
        writer.write(data[at : at + (1 << 18)])
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def _bare_reader(data: bytes) -> float:
    """Seconds until a reader that understands nothing has all the bytes."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1 << 16):
            continue
        writer.close()
        done.set_result(None)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    began_ns = time.perf_counter_ns()
    await _send(server.sockets[0].getsockname()[:2], data)
    await done
    server.close()
    return (time.perf_counter_ns() - began_ns) / 1e9
