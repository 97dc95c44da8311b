"""Kafka, by librdkafka (extra ``kafka``): a sink with an idempotent producer, and a source that keeps its own offsets.

The broker knows a message again within one session of the producer: after a crash of the node a parcel may come
twice, and the header ``phalanx-id`` tells. The source commits nothing to Kafka: where it stands is in the node's
store, as offsets of every partition, and between two of them Kafka always gives the same messages.
"""

import json
import time
from typing import TYPE_CHECKING, Any

import msgspec

from phalanx.adapters._limits import KAFKA_FLUSH_S, MAX_CONNECTOR_CALLS
from phalanx.adapters._system import ThreadOffload
from phalanx.core import InvalidInput, Unavailable
from phalanx.intel.delivery import (
    TAKEN,
    Answer,
    ConnectorContext,
    Drawn,
    Item,
    Parcel,
    PositionGone,
    SinkManifest,
    SourceManifest,
)
from phalanx.intel.delivery.wire import plain, to_json

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Producer

_OPTIONS = ("brokers", "topic", "ca_file", "user", "mechanism", "security", "timeout_s")
_HINT = "install it: pip install 'phalanx[kafka]'"
_POLL_S = 0.25


class KafkaSink:
    """One topic; the key of a message is its record's id, so that revisions of one record keep their order."""

    manifest = SinkManifest(
        product="Kafka", effect="at-least-once", known_by="the idempotent producer, and the header phalanx-id",
        max_items=5_000, max_bytes=4_000_000,
    )  # fmt: skip

    def __init__(self, context: ConnectorContext) -> None:
        self._topic = context.option("topic")
        self._settings = _settings(context)
        self._timeout_s = context.number("timeout_s", KAFKA_FLUSH_S, least=0.1)
        self._threads = ThreadOffload(1, max_waiting=MAX_CONNECTOR_CALLS)
        self._producer: Producer | None = None

    def encode(self, item: Item) -> bytes:
        return to_json(plain(item) | ({"raw": item.raw} if item.raw else {}))

    async def send(self, parcel: Parcel) -> Answer:
        return await self._threads.run(self._send, parcel)

    async def close(self) -> None:
        self._threads.close()

    def _send(self, parcel: Parcel) -> Answer:
        if self._producer is None:
            self._producer = _library().Producer({
                **self._settings, "enable.idempotence": True, "acks": "all", "compression.type": "lz4", "linger.ms": 5,
                "message.timeout.ms": int(self._timeout_s * 1_000), "queue.buffering.max.messages": 20_000,
            })  # fmt: skip
        failed: dict[int, str] = {}
        done: set[int] = set()

        def told(place: int, error: Any) -> None:
            done.add(place)
            if error is not None:
                failed[place] = str(error)

        for place, (item, form) in enumerate(zip(parcel.items, parcel.forms, strict=True)):
            self._producer.produce(
                self._topic, form, key=item.subject, headers={"phalanx-id": item.id, "phalanx-kind": item.kind},
                on_delivery=lambda error, _, place=place: told(place, error),
            )  # fmt: skip
        self._producer.flush(self._timeout_s + 1.0)
        missing = {place: "no answer came" for place in range(len(parcel.items)) if place not in done}
        if failed or missing:
            # What is still in its queue must not be sent behind our back.
            self._producer.purge()
            self._producer.flush(1.0)
            self._producer = None
        return Answer(again=failed | missing) if failed or missing else TAKEN


class KafkaSource:
    """All partitions of one topic, a message a line."""

    manifest = SourceManifest(product="Kafka", rereads=True, waiting_unit="messages")

    def __init__(self, context: ConnectorContext) -> None:
        self._name = context.name
        self._topic = context.option("topic")
        self._from = context.chosen("start", "earliest", ("earliest", "latest"))
        self._settings = _settings(context)
        self._timeout_s = context.number("timeout_s", KAFKA_FLUSH_S, least=0.1)
        self._threads = ThreadOffload(1, max_waiting=MAX_CONNECTOR_CALLS)
        self._consumer: Consumer | None = None
        self._at: dict[int, int] = {}

    async def draw(self, position: str, *, until: str, max_bytes: int, within_s: float) -> Drawn:
        return await self._threads.run(self._draw, position, until, max_bytes, within_s)

    def check(self, position: str) -> None:
        _offsets(position)

    async def check_reach(self, position: str) -> None:
        await self._threads.run(self._check_reach, _offsets(position))

    async def settle(self, position: str) -> None:
        """Nothing: Kafka forgets by its own rules."""

    async def close(self) -> None:
        await self._threads.run(self._drop)
        self._threads.close()

    def _drop(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def _draw(self, position: str, until: str, max_bytes: int, within_s: float) -> Drawn:
        kafka = _library()
        try:
            self._connect(kafka)
            assert self._consumer is not None, "it is connected"
            starts = self._starts(kafka, position)
            ends = _offsets(until) if until else {}
            if starts != self._at or ends:
                self._consumer.assign(
                    [kafka.TopicPartition(self._topic, part, offset) for part, offset in sorted(starts.items())]
                )
                self._at = dict(starts)
            lines = self._read(kafka, ends, max_bytes, within_s)
            return Drawn(lines, json.dumps(self._at, sort_keys=True), self._waiting(kafka))
        except kafka.KafkaException as error:
            self._drop()
            self._at = {}
            raise Unavailable(f"topic {self._topic}", str(error.args[0])) from error

    def _connect(self, kafka: Any) -> None:
        if self._consumer is None:
            self._consumer = kafka.Consumer({
                **self._settings, "group.id": f"phalanx-{self._name}", "enable.auto.commit": False,
                "auto.offset.reset": "error", "enable.partition.eof": False,
            })  # fmt: skip

    def _check_reach(self, offsets: dict[int, int]) -> None:
        kafka = _library()
        try:
            self._connect(kafka)
            there = {part: self._range(kafka, part) for part in self._partitions(kafka)}
        except kafka.KafkaException as error:
            self._drop()
            raise Unavailable(f"topic {self._topic}", str(error.args[0])) from error
        if all(part in there and offset <= there[part][1] for part, offset in offsets.items()):
            return
        told = ", ".join(f"partition {part} from {low} to {high}" for part, (low, high) in sorted(there.items()))
        raise InvalidInput("position", f"is beyond the end of topic {self._topic}, which has {told}")

    def _partitions(self, kafka: Any) -> list[int]:
        assert self._consumer is not None, "it is connected"
        found = self._consumer.list_topics(self._topic, timeout=self._timeout_s).topics[self._topic]
        if found.error is not None:
            raise kafka.KafkaException(found.error)
        return list(found.partitions)

    def _range(self, kafka: Any, part: int) -> tuple[int, int]:
        """The first message of a partition, and the one that comes next."""
        assert self._consumer is not None, "it is connected"
        low, high = self._consumer.get_watermark_offsets(
            kafka.TopicPartition(self._topic, part), timeout=self._timeout_s
        )
        return low, high

    def _starts(self, kafka: Any, position: str) -> dict[int, int]:
        known = _offsets(position) if position else {}
        for part in self._partitions(kafka):
            if part not in known:
                low, high = self._range(kafka, part)
                # A partition that was added later is read from its beginning, whatever the first ones were.
                known[part] = low if position or self._from == "earliest" else high
        return known

    def _read(self, kafka: Any, ends: dict[int, int], max_bytes: int, within_s: float) -> bytes:
        assert self._consumer is not None
        lines: list[bytes] = []
        size = 0
        end_ns = time.monotonic_ns() + int((self._timeout_s if ends else within_s) * 1e9)
        while size < max_bytes and time.monotonic_ns() < end_ns:
            if ends and all(self._at.get(part, 0) >= offset for part, offset in ends.items()):
                return b"".join(lines)
            message = self._consumer.poll(_POLL_S)
            if message is None:
                if lines and not ends:
                    break
                continue
            if message.error() is not None:
                if message.error().code() == kafka.KafkaError.OFFSET_OUT_OF_RANGE:
                    raise PositionGone(self._name, str(message.error()))
                raise kafka.KafkaException(message.error())
            part, offset = message.partition(), message.offset()
            if ends and offset >= ends.get(part, 0):
                continue
            line = b" ".join((message.value() or b"").split(b"\n")) + b"\n"
            lines.append(line)
            size += len(line)
            self._at[part] = offset + 1
        if ends and any(self._at.get(part, 0) < offset for part, offset in ends.items()):
            raise Unavailable(f"topic {self._topic}", "it does not give again what was read before")
        return b"".join(lines)

    def _waiting(self, kafka: Any) -> int:
        assert self._consumer is not None
        left = 0
        for part, offset in self._at.items():
            _, high = self._consumer.get_watermark_offsets(kafka.TopicPartition(self._topic, part), cached=True)
            left += max(0, high - offset)
        return left


def _offsets(position: str) -> dict[int, int]:
    """The next message of each partition."""
    try:
        found = msgspec.json.decode(position, type=dict[int, int])
    except msgspec.MsgspecError as error:
        raise InvalidInput("position", f"is no offsets of partitions: {error}") from error
    if any(min(part, offset) < 0 for part, offset in found.items()):
        raise InvalidInput("position", "is no offsets of partitions: a number in it is negative")
    return found


def kafka_sink(context: ConnectorContext) -> KafkaSink:
    """Plug-in ``kafka``. ``brokers``, ``topic``; ``security``, ``ca_file``, ``user``, ``mechanism``, a password."""
    context.only(*_OPTIONS, secrets=("password",))
    return KafkaSink(context)


def kafka_source(context: ConnectorContext) -> KafkaSource:
    """Plug-in ``kafka``. As the sink; ``start`` is earliest or latest, for the first time."""
    context.only(*_OPTIONS, "start", secrets=("password",))
    return KafkaSource(context)


def _settings(context: ConnectorContext) -> dict[str, Any]:
    _library()
    security = context.chosen("security", "ssl", ("ssl", "sasl_ssl", "plaintext"))
    brokers = context.option("brokers")
    hosts = {one.rpartition(":")[0].strip() for one in brokers.split(",")}
    if security == "plaintext" and not hosts <= {"127.0.0.1", "[::1]", "localhost"}:
        raise InvalidInput(f"{context.where}.options.security", "plaintext only within this machine: use ssl")
    found: dict[str, Any] = {
        "bootstrap.servers": brokers, "client.id": f"phalanx-{context.node}", "security.protocol": security,
        "log_level": 0,
    }  # fmt: skip
    if "ca_file" in context.options:
        found["ssl.ca.location"] = str(context.data_dir / context.options["ca_file"])
    if security == "sasl_ssl":
        found |= {
            "sasl.mechanism": context.chosen("mechanism", "SCRAM-SHA-512", ("SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN")),
            "sasl.username": context.option("user"), "sasl.password": context.secret("password").decode().strip(),
        }  # fmt: skip
    return found


def _library() -> Any:
    try:
        import confluent_kafka
    except ImportError as error:
        raise Unavailable("confluent-kafka", "it is not installed", hint=_HINT) from error
    return confluent_kafka
