"""Keeps duties kept: one post for each partition of each duty, in one place of its role.

A post follows its place: when the agent there falls, for whatever reason, its term ends at once and its successor
begins another, once the previous one has ended. A duty that fails fells its agent, rests longer each time, and is
reported in health as long as it rests.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from phalanx.agents._agent import Agent, first_within, task_name
from phalanx.agents._dispatch import backoff_s
from phalanx.agents._duty import Duty, DutyManifest, DutyState, DutyView, Restart, Watch, checked_duty
from phalanx.agents._errors import InvalidSkill, explained
from phalanx.agents._falls import Fall, FallKind
from phalanx.agents._limits import DUTY_CANCEL_S, DUTY_RECOVERED_S, MAX_POSTS
from phalanx.agents._roster import Place, Roster
from phalanx.agents._toolbox import Toolbox
from phalanx.core import NS_PER_S, Clock, Rng
from phalanx.telemetry import Telemetry


@dataclass(slots=True)
class Post:
    """One partition of a duty and the place it is kept from. ``falls`` counts failures in a row."""

    duty: Duty
    partition: int
    place: Place
    watch: Watch | None = None
    term: int = 0
    falls: int = 0
    done: int = 0
    state: DutyState = DutyState.RESTING
    note: str = ""

    @property
    def manifest(self) -> DutyManifest:
        return self.duty.manifest


class Duties:
    """All posts of a node. One ``keep`` per post."""

    def __init__(
        self, duties: Sequence[Duty], roster: Roster, *, tools: Toolbox, clock: Clock, rng: Rng, telemetry: Telemetry
    ) -> None:
        self._roster = roster
        self._tools = tools
        self._clock = clock
        self._rng = rng.child("duties")
        self._log = telemetry.log.bind(room="agents")
        self.posts = _posts(duties, roster)
        metrics = telemetry.metrics
        self._kept = metrics.gauge("phalanx_duties_kept", "Duties, counted by partition, that an agent keeps now.")
        self._terms = metrics.counter("phalanx_duty_terms_total", "Agents that took over a duty.", ("duty",))
        self._done = metrics.counter(
            "phalanx_duty_done_total", "Units of work done by duties, as each counts them.", ("duty",)
        )
        self._failed = metrics.counter("phalanx_duty_failures_total", "Terms that ended with a failure.", ("duty",))

    async def keep(self, post: Post, tasks: asyncio.TaskGroup) -> None:
        """Until cancelled, or until the duty is over for good."""
        while True:
            agent = post.place.agent
            if agent.fall is not None:
                await agent.succeeded()
                continue
            failure = await self._term(post, agent, tasks)
            if failure is None:
                post.state = DutyState.OVER
                return
            if failure:
                self._fell(post, agent, failure)
                rng = self._rng.child(f"{post.manifest.name}/{post.partition}/{post.term}")
                await self._clock.sleep(backoff_s(post.falls, rng))

    def views(self) -> list[DutyView]:
        return [self._view(post) for post in self.posts]

    def resting(self) -> list[Post]:
        """Posts that failed and are not kept now."""
        return [post for post in self.posts if post.state is DutyState.RESTING and post.falls]

    async def _term(self, post: Post, agent: Agent, tasks: asyncio.TaskGroup) -> str | None:
        """One agent's time with the duty. Returns why it failed, nothing when its agent fell, None when it is over."""
        manifest = post.manifest
        post.term += 1
        watch = Watch(
            manifest, agent=agent.name, partition=post.partition, term=post.term, clock=self._clock,
            tools=self._tools.limited(manifest), rng=self._rng.child(f"{manifest.name}/{post.partition}"),
            log=self._log.bind(duty=manifest.name, agent=agent.name),
        )  # fmt: skip
        post.watch, post.state = watch, DutyState.KEPT
        self._terms.labels(manifest.name).inc()
        self._kept.inc()
        name = task_name(agent.name, f"{manifest.name}.{post.partition}")
        work = tasks.create_task(_outcome(post.duty, watch), name=name)
        try:
            return await self._watched(post, agent, watch, work)
        finally:
            # The fence first: whatever it still does, it does not speak for the duty any more.
            watch.ended = True
            post.state, post.done = DutyState.RESTING, post.done + watch.done
            self._done.labels(manifest.name).inc(watch.done)
            self._kept.inc(-1)
            work.cancel()
            await first_within(DUTY_CANCEL_S, self._clock, work)
            if not work.done():
                self._log.error("a duty does not end", duty=manifest.name, agent=agent.name, term=watch.term)

    async def _watched(
        self, post: Post, agent: Agent, watch: Watch, work: "asyncio.Task[Exception | None]"
    ) -> str | None:
        while True:
            await first_within(max(0.0, watch.hangs_in_s()), self._clock, work, agent.falling())
            if agent.fall is not None:
                return ""
            if work.done():
                break
            if watch.hangs_in_s() <= 0:
                return f"it was silent for {watch.silent_for_s():.3g} s"
        error = None if work.cancelled() else work.result()
        if error is not None:
            return explained(error)
        if work.cancelled():
            return "it cancelled itself"
        if post.manifest.restart is Restart.ON_FAILURE:
            post.note = watch.note
            return None
        return "it returned"

    def _fell(self, post: Post, agent: Agent, failure: str) -> None:
        watch = post.watch
        assert watch is not None
        now_ns = self._clock.monotonic_ns()
        if (now_ns - watch.began_ns) / NS_PER_S > DUTY_RECOVERED_S:
            post.falls = 0
        post.falls += 1
        post.note = failure
        self._failed.labels(post.manifest.name).inc()
        self._log.warning("duty failed", duty=post.manifest.name, agent=agent.name, reason=failure)
        hung = watch.hangs_in_s() <= 0
        kind = FallKind.HUNG if hung else FallKind.FAILED
        agent.dismiss(Fall(kind, f"duty {post.manifest.name}: {failure}", now_ns, watch.heard_ns if hung else now_ns))

    def _view(self, post: Post) -> DutyView:
        watch = post.watch if post.state is DutyState.KEPT else None
        now_ns = self._clock.monotonic_ns()
        return DutyView(
            duty=post.manifest.name,
            role=post.manifest.role,
            partition=post.partition,
            partitions=post.manifest.partitions,
            agent=watch.agent if watch else "",
            state=post.state,
            term=post.term,
            kept_s=(now_ns - watch.began_ns) / NS_PER_S if watch else 0.0,
            silent_s=watch.silent_for_s() if watch else 0.0,
            done=post.done + (watch.done if watch else 0),
            falls=post.falls,
            note=watch.note or post.note if watch else post.note,
        )


def duties_by_name(duties: Sequence[Duty]) -> dict[str, Duty]:
    """The duties under their names; raises ``InvalidSkill``."""
    named: dict[str, Duty] = {}
    for duty in duties:
        name = checked_duty(duty).manifest.name
        if name in named:
            raise InvalidSkill("name", f"two duties are called {name!r}", hint="rename or remove one plug-in")
        named[name] = duty
    return named


def _posts(duties: Sequence[Duty], roster: Roster) -> list[Post]:
    """Each partition on the place of its role that has least to do so far."""
    posts: list[Post] = []
    load = {place.name: 0.0 for place in roster.places}
    for duty in duties_by_name(duties).values():
        manifest = duty.manifest
        peers = [place for place in roster.places if place.role is manifest.role]
        for partition in range(manifest.partitions):
            place = min(peers, key=lambda one: load[one.name])
            load[place.name] += manifest.cost
            posts.append(Post(duty, partition, place))
    if len(posts) > MAX_POSTS:
        raise InvalidSkill("partitions", f"{len(posts)} of all duties together; {MAX_POSTS} are possible")
    return posts


async def _outcome(duty: Duty, watch: Watch) -> Exception | None:
    # An exception leaves as a value: raised inside the task group it would end the whole swarm.
    try:
        await duty.keep(watch)
    except Exception as error:  # noqa: BLE001 - whatever a duty raises, only its agent falls
        return error
    return None
