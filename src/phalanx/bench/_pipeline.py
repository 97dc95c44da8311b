"""Events through the whole node: how many a second, and how soon a finding follows.

Two nodes, each a process of its own, fed over HTTP by this process:

- throughput: posts of 1,000 lines over a few connections, as fast as they are taken. The
  clock stops when the last event has been analysed, not when it was accepted;
- latency: 1,000 events a second in even posts; for each sighting (what one commit adds to one
  finding) the time from the durable acceptance of its first event to that commit, by the
  node's own histogram.

The baselines are the two costs that no such pipeline can avoid: writing the same bytes to
disk with fdatasync, and decoding the same JSON, each alone in a bare loop.
"""

import asyncio
import json
import os
import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.bench._timing import RunningNode, quantile, running_node
from phalanx.core import Unavailable
from phalanx.demo import Intrusion

_POST_EVENTS = 1_000
_CONNECTIONS = 4
_LATENCY_RATE_PER_S = 1_000
_LATENCY_POSTS_PER_S = 20
_BACKLOG = "phalanx_intake_backlog_events"
_LATENCY = "phalanx_detection_latency_seconds"
_QUANTILE = "phalanx_detection_latency_quantile_seconds"
_CAUGHT_UP_WITHIN_S = 120.0
# The node makes a page of metrics each time it is asked whether it has caught up.
_ASK_EVERY_S = 0.1


async def pipeline_bench(options: BenchOptions) -> BenchResult:
    """Throughput and latency of the way from a POST to a finding."""
    n_events = 50_000 if options.quick else 300_000
    latency_s = 5 if options.quick else 30
    posts = _posts(options.seed, n_events, _POST_EVENTS)
    paced = _posts(options.seed + 1, latency_s * _LATENCY_RATE_PER_S, _LATENCY_RATE_PER_S // _LATENCY_POSTS_PER_S)
    with tempfile.TemporaryDirectory() as folder:
        baselines = _baselines(posts, Path(folder))
        async with running_node(Path(folder) / "throughput") as node:
            figures = await _throughput(node, posts, n_events)
        async with running_node(Path(folder) / "latency") as node:
            figures |= await _latency(node, paced)
    return BenchResult(
        load={
            "events": n_events,
            "bytes_per_event": sum(map(len, posts)) / n_events,
            "events_per_post": _POST_EVENTS,
            "connections": _CONNECTIONS,
            "latency_phase_events_per_s": _LATENCY_RATE_PER_S,
            "latency_phase_s": latency_s,
        },
        figures=figures,
        baselines=baselines,
        ratios={
            "of_bare_json_decoding": figures["events_per_s"] / baselines["json_decode_alone"]["events_per_s"],
            "of_bare_durable_write": figures["accepted_events_per_s"]
            / baselines["write_fdatasync_alone"]["events_per_s"],
        },
    )


def _posts(seed: int, n_events: int, per_post: int) -> list[bytes]:
    """Lines of one intrusion inside its background, all formats mixed as they happened."""
    rate = 1_000.0
    intrusion = Intrusion(seed, length_s=1.05 * n_events / rate, events_per_s=rate, chunk_s=0.2)
    lines = [line for chunk in intrusion.chunks() for line in chunk.lines][:n_events]
    return [b"\n".join(lines[start : start + per_post]) for start in range(0, len(lines), per_post)]


async def _throughput(node: RunningNode, posts: Sequence[bytes], n_events: int) -> dict[str, float]:
    waiting = iter(posts)
    post_ms: list[float] = []
    cpu_before_s, started = node.cpu_s(), time.perf_counter()

    async def sender() -> None:
        for post in waiting:
            sent = time.perf_counter()
            await _post(node, post)
            post_ms.append((time.perf_counter() - sent) * 1_000)

    async with asyncio.TaskGroup() as group:
        for _ in range(_CONNECTIONS):
            group.create_task(sender())
    accepted_s = time.perf_counter() - started
    await _caught_up(node)
    total_s = time.perf_counter() - started
    return {
        "events_per_s": n_events / total_s,
        "accepted_events_per_s": n_events / accepted_s,
        "post_ms_p50": quantile(post_ms, 0.5),
        "post_ms_p99": quantile(post_ms, 0.99),
        "node_cpu_us_per_event": (node.cpu_s() - cpu_before_s) / n_events * 1e6,
        "node_rss_mib": node.rss_mib(),
    }


async def _post(node: RunningNode, post: bytes) -> None:
    """Send until it is taken; the node says how long to wait when it is full."""
    while True:
        answer = await node.post("/v1/events", post)
        if answer.status == 202:
            return
        if answer.status != 429:
            raise Unavailable("the node", f"it answered a post with HTTP {answer.status}")
        await asyncio.sleep(float(answer.headers["Retry-After"]))


async def _latency(node: RunningNode, posts: Sequence[bytes]) -> dict[str, float]:
    started = time.perf_counter()
    tasks = []
    for number, post in enumerate(posts):
        await asyncio.sleep(max(0.0, started + number / _LATENCY_POSTS_PER_S - time.perf_counter()))
        tasks.append(asyncio.create_task(_post(node, post)))
    await asyncio.gather(*tasks)
    sent_s = time.perf_counter() - started
    await _caught_up(node)
    metrics = await node.get("/metrics")
    hits = _metric(metrics, f"{_LATENCY}_count")
    if not hits:
        raise Unavailable("a latency", "the load led to no finding")
    return {
        "paced_events_per_s": len(posts) * _LATENCY_RATE_PER_S / _LATENCY_POSTS_PER_S / sent_s,
        "paced_sightings": hits,
        "event_to_finding_ms_p50": _metric(metrics, _QUANTILE, q="0.5") * 1_000,
        "event_to_finding_ms_p99": _metric(metrics, _QUANTILE, q="0.99") * 1_000,
    }


async def _caught_up(node: RunningNode) -> None:
    deadline = time.perf_counter() + _CAUGHT_UP_WITHIN_S
    while time.perf_counter() < deadline:
        if _metric(await node.get("/metrics"), _BACKLOG) == 0:
            return
        await asyncio.sleep(_ASK_EVERY_S)
    raise Unavailable("the node", f"it had not analysed everything within {_CAUGHT_UP_WITHIN_S:.0f} s")


def _metric(text: str, name: str, *, q: str = "") -> float:
    """The sum of a metric's samples in OpenMetrics text, 0 when it has none."""
    labels = rf'\{{[^}}]*quantile="{re.escape(q)}"[^}}]*\}}' if q else r"(?:\{[^}]*\})?"
    return sum(map(float, re.findall(rf"^{name}{labels} (\S+)", text, re.MULTILINE)))


def _baselines(posts: Sequence[bytes], folder: Path) -> dict[str, dict[str, float]]:
    n_events = sum(post.count(b"\n") + 1 for post in posts)
    started = time.perf_counter()
    with (folder / "baseline").open("wb", buffering=0) as file:
        for post in posts:
            file.write(post)
            os.fdatasync(file.fileno())
    write_s = time.perf_counter() - started
    started = time.perf_counter()
    for post in posts:
        for line in post.split(b"\n"):
            if line.startswith(b"{"):
                json.loads(line)
    decode_s = time.perf_counter() - started
    return {
        "write_fdatasync_alone": {"events_per_s": n_events / write_s},
        "json_decode_alone": {"events_per_s": n_events / decode_s},
    }
