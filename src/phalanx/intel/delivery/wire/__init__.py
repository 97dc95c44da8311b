"""Wire formats: how each product wants to be told, and what its answers mean. No I/O."""

from phalanx.intel.delivery.wire._azure import SentinelLogs
from phalanx.intel.delivery.wire._elastic import ElasticBulk
from phalanx.intel.delivery.wire._google import SecOpsLogs, SecOpsUdm
from phalanx.intel.delivery.wire._http import HttpForm, HttpReply, HttpRequest, judged_by_status, plain, to_json
from phalanx.intel.delivery.wire._leef import LEEF_MANIFEST, leef_line
from phalanx.intel.delivery.wire._soar import SoarContainers, XsoarIncidents
from phalanx.intel.delivery.wire._splunk import SplunkHec
from phalanx.intel.delivery.wire._webhook import IDEMPOTENCY, SIGNATURE, Webhook, check_signature, signature

__all__ = [
    "IDEMPOTENCY",
    "LEEF_MANIFEST",
    "SIGNATURE",
    "ElasticBulk",
    "HttpForm",
    "HttpReply",
    "HttpRequest",
    "SecOpsLogs",
    "SecOpsUdm",
    "SentinelLogs",
    "SoarContainers",
    "SplunkHec",
    "Webhook",
    "XsoarIncidents",
    "check_signature",
    "judged_by_status",
    "leef_line",
    "plain",
    "signature",
    "to_json",
]
