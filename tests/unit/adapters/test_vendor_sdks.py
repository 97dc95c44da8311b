"""What vendors' SDKs raise, as it is said here."""

import socket

import pytest

from phalanx.adapters.providers._http import Refused, Unanswered
from phalanx.adapters.providers._sdk import sdk_said
from phalanx.core import InvalidInput, NotFound, Overloaded, Unavailable
from phalanx.devices import VendorAway


def amazon(status, code="InternalServiceException"):
    botocore = pytest.importorskip("botocore.exceptions", reason="the extra of this vendor is not installed")
    return botocore.ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "X")


def amazon_away():
    botocore = pytest.importorskip("botocore.exceptions", reason="the extra of this vendor is not installed")
    return botocore.EndpointConnectionError(endpoint_url="https://braket.example.org")


def no_credentials():
    botocore = pytest.importorskip("botocore.exceptions", reason="the extra of this vendor is not installed")
    return botocore.NoCredentialsError()


def ibm(status):
    """As IBM's SDK says it: the error that has the status is hidden behind another one."""
    api = pytest.importorskip("qiskit_ibm_runtime.api.exceptions", reason="the extra of this vendor is not installed")
    try:
        try:
            raise api.RequestsApiError("no", status)
        except api.RequestsApiError as error:
            raise RuntimeError(f"Failed to retrieve job: {error}") from None
    except RuntimeError as error:
        return error


def refused_by_ibm():
    api = pytest.importorskip("qiskit_ibm_runtime.exceptions", reason="the extra of this vendor is not installed")
    return api.IBMNotAuthorizedError("401 Client Error")


@pytest.mark.parametrize(
    ("made", "kind", "sent"),
    [
        (lambda: amazon(500), VendorAway, Unanswered),
        (lambda: amazon(503), VendorAway, VendorAway),
        (lambda: amazon(400, "ThrottlingException"), Overloaded, Overloaded),
        (lambda: amazon(429), Overloaded, Overloaded),
        (lambda: amazon(403), Refused, Refused),
        (lambda: amazon(400, "ExpiredTokenException"), Refused, Refused),
        (lambda: amazon(400, "ValidationException"), Unavailable, Unavailable),
        (lambda: amazon(404, "ResourceNotFoundException"), NotFound, NotFound),
        (amazon_away, VendorAway, Unanswered),
        (no_credentials, Refused, Refused),
        (lambda: ibm(502), VendorAway, Unanswered),
        (lambda: ibm(-1), VendorAway, Unanswered),
        (lambda: ibm(404), NotFound, NotFound),
        (lambda: ibm(409), Unavailable, Unavailable),
        (refused_by_ibm, Refused, Refused),
        (lambda: ConnectionResetError("reset by peer"), VendorAway, Unanswered),
        (lambda: socket.gaierror(-2, "Name or service not known"), VendorAway, Unanswered),
        (lambda: FileNotFoundError("a file of one's own"), Unavailable, Unavailable),
        (lambda: RuntimeError("it is in a final state"), Unavailable, Unavailable),
        (lambda: InvalidInput("shots", "are ours"), InvalidInput, InvalidInput),
    ],
)
def test_an_outage_is_told_from_a_refusal_and_a_lost_answer_from_both(made, kind, sent):
    for once, wanted in ((False, kind), (True, sent)):
        with pytest.raises(wanted) as told, sdk_said("a.machine", once=once):
            raise made()
        assert type(told.value) is wanted, (once, told.value)
