"""Sinks over HTTP: Splunk HEC, Sentinel, SecOps, Elasticsearch, SOAR platforms, webhooks.

What each product is told, and what its answers mean, is in ``intel.delivery.wire``; here it is sent.
"""

import hashlib
import uuid
from dataclasses import replace

from phalanx.adapters._limits import HEC_ACK_FIRST_S, HEC_ACK_PAUSE_S, HEC_ACK_WITHIN_S
from phalanx.adapters.connectors._http import (
    HTTP_OPTIONS,
    ConnectorHttp,
    Headers,
    TokenHeaders,
    fixed_headers,
    google_grant,
    header_secret,
)
from phalanx.core import NS_PER_S, InvalidInput
from phalanx.intel.delivery import TAKEN, Answer, ConnectorContext, Item, Parcel, SinkManifest, later
from phalanx.intel.delivery.wire import (
    SIGNATURE,
    ElasticBulk,
    HttpForm,
    HttpReply,
    SecOpsLogs,
    SecOpsUdm,
    SentinelLogs,
    SoarContainers,
    SplunkHec,
    Webhook,
    XsoarIncidents,
    signature,
)


class HttpSink:
    """A sink that is one request for a parcel."""

    def __init__(self, form: HttpForm, http: ConnectorHttp, headers: Headers) -> None:
        self._form = form
        self._http = http
        self._headers = headers

    @property
    def manifest(self) -> SinkManifest:
        return self._form.manifest

    def encode(self, item: Item) -> bytes:
        return self._form.encode(item)

    async def send(self, parcel: Parcel) -> Answer:
        reply = await self._http.send(self._form.request(parcel), await self._headers())
        if reply.status == 401 and isinstance(self._headers, TokenHeaders):
            self._headers.forget()
        return self._form.judge(parcel, reply)

    async def close(self) -> None:
        await self._http.close()
        if isinstance(self._headers, TokenHeaders):
            await self._headers.close()


class SplunkAckSink(HttpSink):
    """HEC with acknowledgement: asks until the indexers have it, or sends it again."""

    def __init__(self, form: SplunkHec, http: ConnectorHttp, headers: Headers, context: ConnectorContext) -> None:
        super().__init__(form, http, headers)
        self._hec = form
        self._clock = context.clock
        self._within_s = context.number("ack_within_s", HEC_ACK_WITHIN_S, least=0.1)

    async def send(self, parcel: Parcel) -> Answer:
        headers = await self._headers()
        reply = await self._http.send(self._hec.request(parcel), headers)
        answer = self._hec.judge(parcel, reply)
        if answer != TAKEN:
            return answer
        ack = self._hec.ack_of(reply)
        if ack is None:
            return later("the collector gives no ackId: is acknowledgement on for this token?")
        pause_s = HEC_ACK_FIRST_S
        end_ns = self._clock.monotonic_ns() + int(self._within_s * NS_PER_S)
        while not self._hec.acked(await self._http.send(self._hec.ack_request(ack), headers), ack):
            if self._clock.monotonic_ns() > end_ns:
                return later(f"no indexer acknowledged it within {self._within_s:g} s")
            await self._clock.sleep(pause_s)
            pause_s = min(2 * pause_s, HEC_ACK_PAUSE_S)
        return TAKEN


class SoarSink(HttpSink):
    """Container first, artefact in it second; what is there already is found again."""

    def __init__(self, form: SoarContainers, http: ConnectorHttp, headers: Headers) -> None:
        super().__init__(form, http, headers)
        self._soar = form

    async def send(self, parcel: Parcel) -> Answer:
        headers = await self._headers()
        reply = await self._http.send(self._soar.request(parcel), headers)
        container = self._soar.made(reply, "container")
        if container is None:
            return self._soar.judge(parcel, reply)
        reply = await self._http.send(self._soar.artifact_request(parcel, container), headers)
        return TAKEN if self._soar.made(reply, "artifact") is not None else self._soar.judge(parcel, reply)


class SignedSink(HttpSink):
    """A webhook whose bodies are signed when they are sent: the time is part of what is signed."""

    def __init__(self, form: Webhook, http: ConnectorHttp, headers: Headers, context: ConnectorContext) -> None:
        super().__init__(form, http, headers)
        self._secret = context.secret("secret")
        self._clock = context.clock

    async def send(self, parcel: Parcel) -> Answer:
        request = self._form.request(parcel)
        signed = signature(self._secret, request.body, self._clock.wall_ns() // NS_PER_S)
        reply: HttpReply = await self._http.send(
            replace(request, headers={**request.headers, SIGNATURE: signed}), await self._headers()
        )
        return self._form.judge(parcel, reply)


def splunk_hec_sink(context: ConnectorContext) -> HttpSink:
    """Plug-in ``splunk-hec``. ``url``, secret ``token``; ``index``, ``source``, ``sourcetype``, ``mode``, ``ack``."""
    context.only(
        *HTTP_OPTIONS, "index", "source", "sourcetype", "mode", "ack", "ack_within_s", "channel", secrets=("token",)
    )
    ack = context.chosen("ack", "no", ("yes", "no")) == "yes"
    raw = context.chosen("mode", "event", ("event", "raw")) == "raw"
    # One channel for each sink, the same after every start: acknowledgements belong to it.
    channel = context.option("channel", str(uuid.UUID(bytes=_channel(context))) if ack or raw else "")
    form = SplunkHec(
        index=_word(context, "index", ""), source=_word(context, "source", "phalanx"),
        sourcetype=_word(context, "sourcetype", "phalanx"), channel=channel, raw=raw, ack=ack,
    )  # fmt: skip
    http, headers = (
        ConnectorHttp(context),
        fixed_headers({"Authorization": f"Splunk {header_secret(context, 'token')}"}),
    )
    return SplunkAckSink(form, http, headers, context) if ack else HttpSink(form, http, headers)


def sentinel_sink(context: ConnectorContext) -> HttpSink:
    """Plug-in ``sentinel``. ``url`` (data collection endpoint), ``rule``, ``stream``, ``directory``, ``client``,
    secret ``client_secret``; ``authority``, ``scope``.
    """
    context.only(
        *HTTP_OPTIONS, "rule", "stream", "directory", "client", "authority", "scope", secrets=("client_secret",)
    )
    secret = context.secret("client_secret").decode().strip()
    client, scope = context.option("client"), context.option("scope", "https://monitor.azure.com/.default")
    authority = context.option("authority", "https://login.microsoftonline.com").rstrip("/")
    endpoint = f"{authority}/{_word(context, 'directory')}/oauth2/v2.0/token"
    grant = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret, "scope": scope}
    tokens = TokenHeaders(ConnectorHttp(context, option="token_url", default=endpoint), lambda: grant, context)
    form = SentinelLogs(_word(context, "rule"), _word(context, "stream"))
    return HttpSink(form, ConnectorHttp(context), tokens)


def secops_sink(context: ConnectorContext) -> HttpSink:
    """Plug-in ``secops``. ``url``, ``project``, ``location``, ``instance``, secret ``key`` (a service account's,
    JSON); ``mode`` udm or logs, ``log_type``, ``forwarder``.
    """
    context.only(*HTTP_OPTIONS, "project", "location", "instance", "mode", "log_type", "forwarder", secrets=("key",))
    instance = "projects/{}/locations/{}/instances/{}".format(
        *(_word(context, name) for name in ("project", "location", "instance"))
    )
    form: HttpForm = SecOpsUdm(instance)
    if context.chosen("mode", "udm", ("udm", "logs")) == "logs":
        form = SecOpsLogs(instance, _word(context, "log_type"), context.option("forwarder", ""))
    endpoint, grant = google_grant(context)
    tokens = TokenHeaders(ConnectorHttp(context, option="token_url", default=endpoint), grant, context)
    return HttpSink(form, ConnectorHttp(context), tokens)


def elastic_sink(context: ConnectorContext) -> HttpSink:
    """Plug-in ``elastic``. ``url``, secret ``api_key``; ``index`` (``{kind}`` becomes the kind of item)."""
    context.only(*HTTP_OPTIONS, "index", secrets=("api_key",))
    headers = fixed_headers({"Authorization": f"ApiKey {header_secret(context, 'api_key')}"})
    return HttpSink(ElasticBulk(context.option("index", "phalanx-{kind}")), ConnectorHttp(context), headers)


def splunk_soar_sink(context: ConnectorContext) -> HttpSink:
    """Plug-in ``splunk-soar``. ``url``, secret ``token``; ``label``."""
    context.only(*HTTP_OPTIONS, "label", secrets=("token",))
    headers = fixed_headers({"ph-auth-token": header_secret(context, "token")})
    return SoarSink(SoarContainers(context.option("label", "events")), ConnectorHttp(context), headers)


def xsoar_sink(context: ConnectorContext) -> HttpSink:
    """Plug-in ``xsoar``. ``url``, secret ``key``; ``key_id`` (XSOAR 8), ``type``, ``investigate``."""
    context.only(*HTTP_OPTIONS, "key_id", "type", "investigate", secrets=("key",))
    headers = {"Authorization": header_secret(context, "key")}
    path, key_id = "/incident", context.option("key_id", "")
    if key_id:
        headers["x-xdr-auth-id"] = key_id
        path = "/xsoar/public/v1/incident"
    investigate = context.chosen("investigate", "yes", ("yes", "no")) == "yes"
    form = XsoarIncidents(path, context.option("type", "Unclassified"), investigate)
    return HttpSink(form, ConnectorHttp(context), fixed_headers(headers))


def webhook_sink(context: ConnectorContext) -> HttpSink:
    """Plug-in ``webhook``. ``url``, secret ``secret`` (signs); ``compress``."""
    context.only(*HTTP_OPTIONS, "compress", secrets=("secret",))
    form = Webhook(gzip=context.chosen("compress", "no", ("yes", "no")) == "yes")
    return SignedSink(form, ConnectorHttp(context), fixed_headers({}), context)


def _word(context: ConnectorContext, name: str, default: str | None = None) -> str:
    """An option that becomes part of an address."""
    text = context.option(name, default)
    if any(not (char.isalnum() or char in "-_.:") for char in text):
        raise InvalidInput(f"{context.where}.options.{name}", f"{text!r} has characters that do not belong there")
    return text


def _channel(context: ConnectorContext) -> bytes:
    return hashlib.sha256(f"hec channel\x1f{context.node}\x1f{context.name}".encode()).digest()[:16]
