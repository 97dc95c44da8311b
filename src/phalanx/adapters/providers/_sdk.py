"""What vendors' SDKs raise, in our words: the vendor is away, is busy, refuses who asks, or says no.

An SDK says it in errors of its own, around those of what it speaks HTTP with: what tells is a status somewhere on the
way down, or that no answer came at all.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from phalanx.adapters.providers._http import Refused, Unanswered
from phalanx.core import NotFound, Overloaded, PhalanxError, Unavailable
from phalanx.devices import VendorAway

_REFUSED, _NOTHING, _LATER, _SERVER, _DOWN = {401, 403}, 404, {429}, 500, 503
# IBM's SDK says -1 where there was no answer; and of a 503, which took nothing.
_NO_STATUS = -1
_MAX_CAUSES = 8
# Libraries whose errors, without a status, are those of a connection.
_CARRIERS = ("urllib3.", "requests.", "botocore.", "http.client")
# Amazon says these with a status of 400.
_THROTTLED = {"ThrottlingException", "TooManyRequestsException", "Throttling", "RequestLimitExceeded"}
_CREDENTIALS = {
    "ExpiredTokenException", "ExpiredToken", "UnrecognizedClientException", "InvalidSignatureException",
    "AccessDeniedException", "NoCredentialsError", "PartialCredentialsError", "TokenRetrievalError",
}  # fmt: skip


@contextmanager
def sdk_said(what: str, *, once: bool = False) -> Iterator[None]:
    """``once``: what is asked starts a job, so that an answer that did not come leaves it unsure: ``Unanswered``."""
    try:
        yield
    except PhalanxError:
        raise
    except Exception as error:
        raise _told(what, error, once=once) from error


def _told(what: str, error: Exception, *, once: bool) -> PhalanxError:
    text = f"{type(error).__name__}: {error}"
    way = _way_down(error)
    if {type(one).__name__ for one in way} & _CREDENTIALS or any(_code(one) in _CREDENTIALS for one in way):
        return Refused(what, text)
    statuses = [found for one in way if (found := _status(one)) is not None]
    status = next((one for one in statuses if one != _NO_STATUS), _NO_STATUS if statuses else None)
    if status in _REFUSED or any(type(one).__name__ == "IBMNotAuthorizedError" for one in way):
        return Refused(what, text)
    if status == _NOTHING:
        return NotFound(f"job or machine of {what}", text)
    if status in _LATER or any(_code(one) in _THROTTLED for one in way):
        return Overloaded(what, retry_after_s=1)
    if status is None and not any(_of_a_connection(one) for one in way):
        return Unavailable(what, text)
    if status is None or status == _NO_STATUS or status >= _SERVER:
        return (Unanswered if once and status != _DOWN else VendorAway)(what, text)
    return Unavailable(what, text)


def _way_down(error: BaseException) -> list[BaseException]:
    """The error and what it was raised for, also where the SDK hides that."""
    found: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and len(found) < _MAX_CAUSES:
        found.append(one)
        one = one.__cause__ or one.__context__
    return found


def _status(error: BaseException) -> int | None:
    """Of HTTP, as Amazon's SDK, IBM's and the library below that say it."""
    answer = getattr(error, "response", None)
    if isinstance(answer, dict):
        found = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        found = getattr(error, "status_code", getattr(answer, "status_code", None))
    return found if isinstance(found, int) else None


def _code(error: BaseException) -> str:
    """What Amazon calls it."""
    answer = getattr(error, "response", None)
    return str(answer.get("Error", {}).get("Code", "")) if isinstance(answer, dict) else ""


def _of_a_connection(error: BaseException) -> bool:
    broken = isinstance(error, ConnectionError | TimeoutError | socket.gaierror)
    return broken or type(error).__module__.startswith(_CARRIERS)
