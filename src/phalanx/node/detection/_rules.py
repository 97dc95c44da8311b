"""The rules of a running node: reloaded on demand and when their folder changes, without losing an event.

The sentinel switches to new rules between two chunks, handing over what correlations of the same name are waiting
for. If a file is no longer a valid rule, the old rules stay in force, and an alert says why. A node that starts has
no old rules: it takes the valid ones, and an alert names the others.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    AlertLevel,
    AlertSink,
    AuditEntry,
    AuditSink,
    Clock,
    InvalidInput,
    LimitExceeded,
    Offload,
    PhalanxError,
    TenantId,
    counted,
    derive_id,
)
from phalanx.deception import account_rules
from phalanx.intel import InvalidRule, Refused, RuleSet, Sentinel, load_rules, parse_rule
from phalanx.intel.sigma import rule_files
from phalanx.node._limits import MAX_TOLD_RULE_FILES
from phalanx.node._ports import Ports
from phalanx.node.settings._settings import Settings

_OWN_NAME = "the node has a rule of that name, for its canary users"


def detection_rules(settings: Settings) -> RuleSet:
    """The built-in rules, those of the settings' folder, and those that know the canary users."""
    try:
        loaded = load_rules(settings.intake.rules_dir)
    except InvalidInput as error:
        raise InvalidInput("intake.rules_dir", error.reason) from error
    texts = account_rules(settings.deception.users)
    if not texts:
        return loaded
    own = {rule.name: rule for rule in (parse_rule(text, where="deception.users") for text in texts)}
    taken = sorted(own.keys() & (loaded.rules.keys() | loaded.correlations.keys()))
    return RuleSet(
        [*(rule for rule in loaded.rules.values() if rule.name not in own), *own.values()],
        correlations=[one for one in loaded.correlations.values() if one.name not in own],
        filters=loaded.filters,
        refused=[*loaded.refused, *(Refused(name, _OWN_NAME, unsupported=False) for name in taken)],
    )


class LeftOut(msgspec.Struct, frozen=True):
    """A file that could not be compiled, and why; ``unsupported`` when it is valid Sigma."""

    file: str
    reason: str
    unsupported: bool = False


class RuleView(msgspec.Struct, frozen=True, kw_only=True):
    """A rule in force, what it cost and what it brought. ``hits`` are events for which it held: several may be of one
    finding, and those that are suppressed are of none."""

    name: str
    title: str
    severity: str
    log_source: str
    techniques: tuple[str, ...]
    asked: int
    hits: int
    spent_ns: int


class RulesView(msgspec.Struct, frozen=True, kw_only=True):
    """All rules in force, and the files that were left out. ``digest`` tells these rules from others."""

    compiled: int
    digest: str
    rules: tuple[RuleView, ...]
    refused: tuple[LeftOut, ...]


class Reloaded(msgspec.Struct, frozen=True, kw_only=True):
    """What a reload changed."""

    rules: int
    digest: str
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    refused: tuple[LeftOut, ...]


class Rules:
    """Keeps the sentinel's rules those of the settings. ``load`` reads them; ``folder`` is where they may change."""

    def __init__(
        self, sentinel: Sentinel, load: Callable[[], RuleSet], folder: Path | None, *, clock: Clock, offload: Offload,
        alerts: AlertSink, audit: AuditSink, watch_s: float, node: str,
    ) -> None:  # fmt: skip
        self._sentinel = sentinel
        self._load = load
        self._folder = folder
        self._clock = clock
        self._offload = offload
        self._alerts = alerts
        self._audit = audit
        self._watch_s = watch_s
        self._node = node
        self._one_at_a_time = asyncio.Lock()
        sentinel.rules.timer = clock.monotonic_ns
        if bad := _invalid(sentinel.rules):
            text = f"{counted(len(bad), 'rule file')} left out, not valid: {_listed(bad)} (`phalanx intel rules stats`)"
            alerts.alert(AlertLevel.WARNING, "intel", text)

    def view(self, tenant: TenantId) -> RulesView:
        """The rules in force; what they cost and brought is over all tenants, and told to the node's own alone."""
        own = tenant == DEFAULT_TENANT
        rules = self._sentinel.rules
        shown = [
            RuleView(
                name=cost.name, title=rule.title, severity=rule.severity.name.lower(), log_source=str(rule.log_source),
                techniques=rule.techniques, asked=cost.asked * own, hits=cost.hits * own,
                spent_ns=cost.spent_ns * own,
            )
            for cost in rules.costs() if (rule := rules.rules[cost.name])
        ]  # fmt: skip
        shown += [
            RuleView(
                name=one.name, title=one.title, severity=one.severity.name.lower(), log_source="correlation",
                techniques=one.techniques, asked=0, hits=0, spent_ns=0,
            )
            for one in rules.correlations.values()
        ]  # fmt: skip
        return RulesView(compiled=len(rules), digest=rules.digest, rules=tuple(shown), refused=_left_out(rules))

    async def reload(self, *, by: str) -> Reloaded:
        """Read the rules anew and put them in force. Raises ``InvalidRule`` when a file became invalid: the old ones
        are in force then."""
        async with self._one_at_a_time:
            new = await self._offload.run(self._load)
            old = self._sentinel.rules
            known = {(one.file, one.reason) for one in old.refused}
            known_bytes = {one.digest for one in old.refused if one.digest}
            for one in new.refused:
                # A file that was left out already may be moved, and is what it was.
                if not (one.unsupported or (one.file, one.reason) in known or one.digest in known_bytes):
                    field, _, reason = one.reason.partition(": ")
                    raise InvalidRule(one.file, field, reason)
            self._sentinel.use(new)
            before, after = old.digests, new.digests
            done = Reloaded(
                rules=len(new),
                digest=new.digest,
                added=tuple(sorted(after.keys() - before.keys())),
                changed=tuple(sorted(name for name in after.keys() & before.keys() if after[name] != before[name])),
                removed=tuple(sorted(before.keys() - after.keys())),
                refused=_left_out(new),
            )
            if new.digest != old.digest:
                await self._record(done, by)
            return done

    async def run(self) -> None:
        """Look at the folder again and again, and reload when something in it is not what it was."""
        assert self._folder is not None, "without a folder of one's own there is nothing to look at"
        seen = await self._offload.run(_marks, self._folder)
        while True:
            await self._clock.sleep(self._watch_s)
            now = await self._offload.run(_marks, self._folder)
            if now == seen:
                continue
            seen = now
            try:
                await self.reload(by=self._node)
            except PhalanxError as error:
                text = f"rules changed and cannot be loaded; those before stay in force: {error.message}"
                self._alerts.alert(AlertLevel.WARNING, "intel", text)

    async def _record(self, done: Reloaded, by: str) -> None:
        now_ns = self._clock.wall_ns()
        body = {"digest": done.digest, "rules": done.rules, "added": len(done.added), "changed": len(done.changed),
                "removed": len(done.removed), "refused": len(done.refused)}  # fmt: skip
        await self._audit.record(
            AuditEntry(
                id=derive_id(now_ns, "audit", "rules.reloaded", done.digest, by), tenant=DEFAULT_TENANT, trace=NO_TRACE,
                at_ns=now_ns, actor=by, action="rules.reloaded", subject=self._node, case="", body=body,
            )
        )  # fmt: skip


def opened_rules(settings: Settings, ports: Ports, sentinel: Sentinel, alerts: AlertSink, audit: AuditSink) -> Rules:
    """What keeps the rules of a node with these settings."""
    return Rules(
        sentinel, lambda: detection_rules(settings), settings.intake.rules_dir, clock=ports.clock,
        offload=ports.offload, alerts=alerts, audit=audit, watch_s=settings.detection.reload_s, node=settings.node.name,
    )  # fmt: skip


def _left_out(rules: RuleSet) -> tuple[LeftOut, ...]:
    return tuple(LeftOut(one.file, one.reason, one.unsupported) for one in rules.refused)


def _invalid(rules: RuleSet) -> list[LeftOut]:
    """Files that are no valid Sigma."""
    return [one for one in _left_out(rules) if not one.unsupported]


def _listed(bad: Sequence[LeftOut]) -> str:
    told = "; ".join(f"{one.file}: {one.reason}" for one in bad[:MAX_TOLD_RULE_FILES])
    return told if len(bad) <= MAX_TOLD_RULE_FILES else f"{told}; and {len(bad) - MAX_TOLD_RULE_FILES} more"


def _marks(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """What tells the files of ``folder`` from what they were: name, size and time of change; and what is closed."""
    try:
        files, closed = rule_files(folder)
    except LimitExceeded:
        # Reading them says so.
        return ((str(folder), -1, -1),)
    found = [(str(path), -1, -1) for path, _ in closed]
    for file in files:
        try:
            stat = file.stat()
        except OSError:
            continue
        found.append((str(file), stat.st_size, stat.st_mtime_ns))
    return tuple(found)
