"""Time as canaries watch it: that the wall clock does not jump, and that nothing is about to expire."""

from phalanx.agents import Capability, DutyManifest, Role, Watch
from phalanx.core import (
    DEFAULT_TENANT,
    NS_PER_S,
    AlertLevel,
    AlertSink,
    EventSink,
    FileWatch,
    NotFound,
    Value,
    derive_id,
    iso_from_ns,
)
from phalanx.crypto.identity import Identities, SubjectKind
from phalanx.node._limits import (
    CLOCK_EVERY_S,
    CLOCK_JUMP_S,
    EXPIRY_EVERY_BEATS,
    MAX_CERTIFICATE_BYTES,
    OVERDUE_PART_LEFT,
    TLS_NOTICE_S,
)
from phalanx.node.canaries._watching import Watching

KIND = "clock"


class TimeDuty:
    """Compares the two clocks often, and looks for what runs out now and then."""

    manifest = DutyManifest(
        name="clock-and-expiry",
        role=Role.CANARY,
        capabilities=(Capability.DETECTION, Capability.PREDICTION),
        inputs=(),
        outputs=("clock-jumped",),
        cost=0.1,
        permissions=("AlertSink", "Clock", "EventSink", "FileWatch", "Identities", "Watching"),
    )

    async def keep(self, watch: Watch, /) -> None:
        apart_ns, warned = _apart(watch), set[str]()
        async for beat in watch.beats(CLOCK_EVERY_S):
            now_ns = _apart(watch)
            jump_s, apart_ns = (now_ns - apart_ns) / NS_PER_S, now_ns
            if abs(jump_s) > CLOCK_JUMP_S:
                await self._tell(watch, jump_s)
            if beat % EXPIRY_EVERY_BEATS == 0:
                soon = {**await _identities_running_out(watch), **await _tls_running_out(watch)}
                for what, until in soon.items():
                    if what not in warned:
                        text = "something that is needed runs out soon"
                        watch.tools.get(AlertSink).alert(AlertLevel.WARNING, "node", text, what=what, until=until)
                warned = set(soon)
                watch.progress(f"{len(soon)} run out soon" if soon else "clocks agree, nothing runs out soon")

    async def _tell(self, watch: Watch, jump_s: float) -> None:
        now_ns, tools = watch.clock.wall_ns(), watch.tools
        text = f"the wall clock jumped by {jump_s:+.1f} s"
        tools.get(AlertSink).alert(AlertLevel.WARNING, "node", text, jump_s=jump_s)
        fields: dict[str, Value] = {"jump_s": round(jump_s, 3), "host": tools.get(Watching).node}
        key = derive_id(now_ns, KIND, str(jump_s))
        await tools.get(EventSink).submit(KIND, fields, tenant=DEFAULT_TENANT, at_ns=now_ns, key=key)
        watch.progress(text, done=1)


def _apart(watch: Watch) -> int:
    """How far the clocks are apart; it stays the same as long as neither is set."""
    return watch.clock.wall_ns() - watch.clock.monotonic_ns()


async def _identities_running_out(watch: Watch) -> dict[str, str]:
    """Identities that should have been renewed long ago, and until when they are valid."""
    now_ns, found = watch.clock.wall_ns(), dict[str, str]()
    for kind in (SubjectKind.ORGANISATION, SubjectKind.NODE):
        for told in await watch.tools.get(Identities).page(kind=kind):
            body = told.certificate.body
            left_ns, whole_ns = body.not_after_ns - now_ns, body.not_after_ns - body.not_before_ns
            if told.state == "valid" and left_ns < OVERDUE_PART_LEFT * whole_ns:
                found[f"identity {told.record.subject}"] = iso_from_ns(body.not_after_ns)
    return found


async def _tls_running_out(watch: Watch) -> dict[str, str]:
    """The listener's own certificate, where the settings name one."""
    path = watch.tools.get(Watching).tls_cert
    if not path:
        return {}
    from cryptography import x509

    try:
        data = await watch.tools.get(FileWatch).read(path, max_bytes=MAX_CERTIFICATE_BYTES)
        until = x509.load_pem_x509_certificate(data).not_valid_after_utc
    except (NotFound, ValueError):
        return {f"certificate {path}": "it cannot be read"}
    soon = until.timestamp() - watch.clock.wall_ns() / NS_PER_S < TLS_NOTICE_S
    return {f"certificate {path}": until.isoformat()} if soon else {}


time_duty = TimeDuty()
