"""Where events come from and who is told of findings: files, syslog, HTTP, Kafka, NATS, and third-party products."""

from phalanx.adapters.connectors._file_source import file_source
from phalanx.adapters.connectors._http_sinks import (
    elastic_sink,
    secops_sink,
    sentinel_sink,
    splunk_hec_sink,
    splunk_soar_sink,
    webhook_sink,
    xsoar_sink,
)
from phalanx.adapters.connectors._http_source import http_poll_source
from phalanx.adapters.connectors._kafka import kafka_sink, kafka_source
from phalanx.adapters.connectors._nats import nats_sink, nats_source
from phalanx.adapters.connectors._syslog_sink import syslog_leef_sink
from phalanx.adapters.connectors._syslog_source import syslog_source

__all__ = [
    "elastic_sink",
    "file_source",
    "http_poll_source",
    "kafka_sink",
    "kafka_source",
    "nats_sink",
    "nats_source",
    "secops_sink",
    "sentinel_sink",
    "splunk_hec_sink",
    "splunk_soar_sink",
    "syslog_leef_sink",
    "syslog_source",
    "webhook_sink",
    "xsoar_sink",
]
