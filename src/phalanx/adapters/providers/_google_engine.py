"""The engine of Google's quantum service as it is asked from here: by the vendor's SDK, one question at a time.

The SDK would wait for a busy service by itself, for an hour, and send again what starts a job; here it asks once, and
what may be asked again is asked by who knows that. What it raises is said in our words.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from phalanx.adapters.providers._http import Refused, is_private
from phalanx.core import InvalidInput, NotFound, Overloaded, PhalanxError, Unavailable
from phalanx.devices import VendorAway

_WHAT = "Google's quantum service"
_HINT = "gcloud auth application-default login, and see devices.options google.project"
_REFUSED, _LATER = {401, 403}, {429}
_WRONG = {400, 412}


def google_engine(project: str, url: str) -> Any:
    """Of one project, under the credentials that the SDK finds. ``url`` is the service's own where it is empty."""
    if url and not is_private(url):
        raise InvalidInput("devices.options.google.url", f"{url} is not https: credentials would travel in the clear")
    try:
        import cirq_google
        from cirq_google.engine.engine import EngineContext
        from cirq_google.engine.engine_client import EngineClient
    except ImportError as error:
        raise Unavailable(_WHAT, str(error), hint="pip install 'phalanx[google]'") from error
    arguments: dict[str, Any] = {}
    scheme, _, host = url.partition("://")
    if scheme == "http":
        arguments["transport"] = _on_this_machine(host.rstrip("/"))
    elif host:
        arguments["client_options"] = {"api_endpoint": host.rstrip("/")}
    client = EngineClient(service_args=arguments, verbose=False, max_retry_delay_seconds=0)
    return cirq_google.Engine(project, context=EngineContext(client=client, enable_streaming=False))


@contextmanager
def google_said(what: str) -> Iterator[None]:
    """What the SDK raises, in our words."""
    try:
        yield
    except PhalanxError:
        raise
    except Exception as error:
        raise _told(what, error) from error


def _told(what: str, error: Exception) -> PhalanxError:
    cause = error.__cause__ or error.__context__ or error
    code = getattr(error, "code", None) or getattr(cause, "code", None)
    text = str(getattr(cause, "message", "") or error).removeprefix("Reached max retry attempts for error: ")
    if type(error).__name__ == "DefaultCredentialsError":
        return Unavailable(_WHAT, "the SDK finds no credentials", hint=_HINT)
    if code in _REFUSED:
        return Refused(_WHAT, text, hint=_HINT)
    if code == 404 or isinstance(error, KeyError):
        return NotFound(f"job or processor of {what}", text)
    if code in _LATER:
        return Overloaded(_WHAT, retry_after_s=_pause_s(cause))
    if code in _WRONG:
        return InvalidInput("job", f"Google refuses it: {text}")
    down = isinstance(error, TimeoutError) or (isinstance(code, int) and code >= 500)
    return (VendorAway if down else Unavailable)(what, text or type(error).__name__)


def _pause_s(cause: BaseException) -> int:
    """For how long the service wants to be left alone, where it says so."""
    for detail in getattr(cause, "details", None) or ():
        delay = getattr(detail, "retry_delay", None)
        if delay is not None:
            return max(1, int(delay.seconds) + (1 if delay.nanos else 0))
    return 1


def _on_this_machine(target: str) -> Any:
    """A transport without encryption, for a server of one's own on loopback."""

    def transport(**_: Any) -> Any:
        import grpc.aio
        from cirq_google.cloud.quantum_v1alpha1.services.quantum_engine_service.transports import (
            QuantumEngineServiceGrpcAsyncIOTransport,
        )

        return QuantumEngineServiceGrpcAsyncIOTransport(channel=grpc.aio.insecure_channel(target))

    return transport
