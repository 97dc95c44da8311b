"""One participant in one instance: message or time in, effects out. No I/O, no clock, no randomness.

The protocol is a single decision of the two-phase family of HotStuff-2 (Malkhi, Nayak 2023) and
Jolteon (Gelashvili et al. 2022). A view has a leader, who also collects. Its proposal gathers *prepare*
votes into a certificate; the certificate gathers *commit* votes into another, which is the decision.
Who waits too long leaves the view with a signed timeout to the next leader. Timeouts of a quorum, with
the highest certificate any of them knew, justify the next proposal (``Checks.justified``): it must be
for that certificate's option, and if there is none, for one still hopeful. Each step is one message
to or from the leader per participant; nothing is sent from all to all.

Invariants of an honest machine, and what keeps each:

I1 The view never decreases, and votes are for the present view only. ``_enter`` and ``_leave`` are
   the only places that set it, and both only raise it; each vote compares the view first.
I2 In one view at most one proposal, one prepare vote, one commit vote and one timeout are signed.
   ``proposed``, ``prepared`` and ``committed`` hold the last view of each and are durable before the
   message leaves; a timeout is signed in the step that leaves the view, which is never entered again.
   What is sent again is the same message, not another signature.
I3 A prepare vote is for a justified proposal of the view's leader. ``_on_proposal`` asks ``Checks`` first.
I4 A commit vote in view v is given only with the prepare certificate of v in hand, which is then in
   ``high``; ``high`` never goes back to an earlier view. So every later timeout claims v or higher.
I5 A decision is a commit certificate that verified, of any view. Once decided, it does not change.

Why two decisions are equal, when quorums q and traitors' weight t satisfy 2q − total > t: two
certificates of one phase of one view are equal, because their voters share an honest one (I2). Let C
be the decision of the lowest view v, for option x, and suppose all prepare certificates of views
v … w−1 are for x. One of view w was voted for by an honest participant on a justified proposal (I3).
Its quorum of timeouts of w−1 shares an honest participant with C's voters, who left w−1 ≥ v after
voting to commit in v (I1) and so claimed v or higher (I4). So the proposal shows a certificate of a
view within v … w−1, which is for x, and is for x itself. A commit certificate of w rests on a prepare
certificate of w (I4), so it is for x as well. (``docs/explanation/consensus.md`` has it in full.)
"""

from phalanx.consensus._checks import Checks
from phalanx.consensus._errors import CertificateRefused, InvalidVote, Unjustified
from phalanx.consensus._evidence import INVALID_JUSTIFICATION, Evidence, contradiction
from phalanx.consensus._leading import Leading
from phalanx.consensus._limits import MAX_VIEWS
from phalanx.consensus._messages import (
    Certificate,
    Fetch,
    Justification,
    Message,
    Nudge,
    Proposal,
    Timeout,
    Vote,
    justification_digest,
)
from phalanx.consensus._question import COMMIT, PREPARE
from phalanx.consensus._rules import Judge, mask_of
from phalanx.consensus._signing import VoteSigner
from phalanx.consensus._state import Accuse, Broadcast, Decided, Effect, GaveUp, Persist, Send, VoterState, Wake
from phalanx.consensus._telling import Telling
from phalanx.consensus._view_time import ViewTime

# By name: machines that held their own methods would leave full collections work, in the middle of later decisions.
_HANDLERS = {
    Proposal: "_on_proposal",
    Vote: "_on_vote",
    Certificate: "_on_certificate",
    Timeout: "_on_timeout",
    Nudge: "_on_nudge",
    Fetch: "_on_fetch",
}


class Machine:
    """See the module. ``state`` is the last durable one of an earlier life."""

    def __init__(
        self,
        checks: Checks,
        me: int,
        *,
        signer: VoteSigner,
        judge: Judge,
        view_ns: int,
        deadline_ns: int,
        state: VoterState | None = None,
    ) -> None:
        state = state or VoterState()
        self.instance = instance = checks.instance
        self.me = me
        self._slot = instance.slot
        self._checks = checks
        self._signer = signer
        self._judge = judge
        self.view = state.view
        self.proposed = state.proposed
        self.prepared = state.prepared
        self.committed = state.committed
        self.high = state.high
        self.decision = state.decision
        self.gave_up = False
        self.started = False
        self._own = self._opinion([0] * len(instance.question.options))
        self._accepts = mask_of(self._own)
        self._time = ViewTime(view_ns, deadline_ns)
        self._leading = Leading(checks, me)
        self._telling = Telling(checks, me)
        self._seen: Proposal | None = None
        # What was said in this view, to be said again when it seems lost.
        self._said: list[tuple[int, Message]] = []
        self._out: list[Effect] = []

    def start(self, now_ns: int) -> list[Effect]:
        """Begin, or go on after a restart; in which case others may know the decision already."""
        self.started = True
        if self.decision is not None:
            self._out.append(Decided(self.decision))
        elif self.view:
            self._begin_view(now_ns)
            self._out += self._telling.ask()
        else:
            self._enter(1, now_ns)
            self._propose(None, now_ns)
        return self._take()

    def receive(self, sender: int, message: Message, now_ns: int) -> list[Effect]:
        """``sender`` is whom the transport says it came from, never what the message claims."""
        if message.slot == self._slot and type(message) in _HANDLERS:
            if self.decision is not None:
                self._answer(sender, message, now_ns)
            else:
                self._handle(sender, message, now_ns)
        return self._take()

    def tick(self, now_ns: int) -> list[Effect]:
        """Time has passed; too early a call does no harm."""
        if self.decision is not None:
            return []
        if self.gave_up:
            if self._time.is_over(now_ns) and self._telling.may_ask:
                self._ask_again(now_ns)
        elif self._time.is_over(now_ns) or self._time.is_past_deadline(now_ns):
            self._leave(now_ns)
        elif (again_ns := self._time.remind(now_ns)) is not None:
            self._remind()
            self._out.append(Wake(again_ns))
        return self._take()

    def _handle(self, sender: int, message: Message, now_ns: int) -> None:
        getattr(self, _HANDLERS[type(message)])(sender, message, now_ns)

    def state(self) -> VoterState:
        return VoterState(self.view, self.proposed, self.prepared, self.committed, self.high, self.decision)

    def _on_proposal(self, sender: int, shown: Proposal, now_ns: int) -> None:
        if not self._is_leaders(sender, shown):
            return
        if shown.view == self.view and self._seen is not None:
            self._compare(self._seen, shown)
            return
        try:
            self._checks.proposal(shown)
            self._checks.justified(shown)
        except InvalidVote:
            return
        except Unjustified:
            self._accuse(Evidence(culprit=sender, kind=INVALID_JUSTIFICATION, statements=(shown,)))
            return
        if shown.view > self.view:
            self._enter(shown.view, now_ns)
        self._seen = shown
        high = shown.justification.high if shown.justification is not None else None
        if high is not None:
            self._raise_high(high)
        elif shown.justification is not None:
            self._own = self._opinion(self._checks.support(shown.justification))
            self._accepts = mask_of(self._own)
        if self._may_prepare(shown, high):
            self.prepared = (shown.view, shown.option)
            self._persist()
            self._vote(PREPARE, shown.option)

    def _is_leaders(self, sender: int, shown: Proposal) -> bool:
        """Whether it comes from the leader of a view that is not over, in a form that can be checked."""
        return (
            self.view <= shown.view <= MAX_VIEWS
            and not self.gave_up
            and sender == shown.leader == self.instance.leader(shown.view)
            and 0 <= shown.option < len(self.instance.question.options)
        )

    def _may_prepare(self, shown: Proposal, high: Certificate | None) -> bool:
        """Not twice in a view. What a quorum prepared needs no opinion of this participant's own."""
        return self.prepared[0] < shown.view and (high is not None or bool(self._accepts >> shown.option & 1))

    def _on_certificate(self, _: int, shown: Certificate, now_ns: int) -> None:
        if shown.phase == PREPARE and self.high is not None and shown.view <= self.high.view != self.view:
            return
        try:
            self._checks.certificate(shown)
        except CertificateRefused:
            return
        if shown.phase == COMMIT:
            self._decide(shown)
            return
        self._raise_high(shown)
        if self.gave_up or shown.view < self.view:
            self._retry(now_ns)
            return
        if shown.view > self.view:
            self._enter(shown.view, now_ns)
        if self._may_commit(shown):
            self.committed = (shown.view, shown.option)
            self._persist()
            self._vote(COMMIT, shown.option)

    def _may_commit(self, shown: Certificate) -> bool:
        """Not twice in a view, and in the present one only."""
        return shown.view == self.view and self.committed[0] < shown.view

    def _vote(self, phase: int, option: int) -> None:
        signature = self._signer.sign(self.instance.vote_statement(self.view, phase, option))
        vote = Vote(self._slot, self.me, self.view, phase, option, signature)
        self._say(self.instance.leader(self.view), vote)

    def _raise_high(self, shown: Certificate) -> None:
        if self.high is None or shown.view > self.high.view:
            self.high = shown
        self._leading.failed(shown.option)

    def _decide(self, shown: Certificate) -> None:
        self.decision = shown
        self._persist()
        self._out.append(Decided(shown))

    def _on_vote(self, sender: int, shown: Vote, _: int) -> None:
        made, caught = self._leading.vote(sender, shown)
        self._accuse(*caught)
        if made is not None:
            self._out.append(Broadcast(made))
            self._on_certificate(self.me, made, 0)

    def _on_timeout(self, sender: int, shown: Timeout, now_ns: int) -> None:
        if (
            shown.voter != sender
            or self.instance.leader(shown.view + 1) != self.me
            or shown.view + 1 < self.view
            or self.gave_up
            or self._leading.has_proposed_in(shown.view + 1)
        ):
            return
        ask, caught = self._leading.timeout(shown, self.high)
        self._accuse(*caught)
        if ask:
            self._out.append(Send(sender, Fetch(self._slot, shown.high_view)))
        self._conclude(shown.view, now_ns)

    def _retry(self, now_ns: int) -> None:
        """A certificate came that timeouts may have waited for."""
        for view in (self.view - 1, self.view):
            if self._leading.waits_after(view):
                self._conclude(view, now_ns)

    def _conclude(self, view: int, now_ns: int) -> None:
        """Propose in the view after ``view`` if enough have left it."""
        if self.gave_up or self._leading.has_proposed_in(view + 1):
            return
        justification = self._leading.justification(view, self.high)
        if justification is None:
            return
        if view + 1 > self.view:
            self._enter(view + 1, now_ns)
            self._persist()
        self._propose(justification, now_ns)

    def _propose(self, justification: Justification | None, now_ns: int) -> None:
        if self.instance.leader(self.view) != self.me or self.proposed >= self.view or self.decision is not None:
            return
        option = self._leading.option(justification, self._own)
        if option is None:
            return
        self.proposed = self.view
        self._persist()
        bound = justification_digest(justification)
        signature = self._signer.sign(self.instance.proposal_statement(self.view, option, bound))
        proposal = Proposal(self._slot, self.me, self.view, option, justification, signature)
        self._leading.proposes(proposal)
        self._out.append(Broadcast(proposal))
        self._on_proposal(self.me, proposal, now_ns)

    def _enter(self, view: int, now_ns: int) -> None:
        self.view = view
        self._seen = None
        self._said.clear()
        self._leading.enter(view)
        self._begin_view(now_ns)

    def _begin_view(self, now_ns: int) -> None:
        self._out.append(Wake(self._time.begin(self.view, now_ns)))

    def _leave(self, now_ns: int) -> None:
        """Vote no more in this view, and tell the leader of the next."""
        left = self.view
        if left >= MAX_VIEWS or self._time.is_past_deadline(now_ns):
            self.gave_up = True
            self._out.append(GaveUp())
            self._ask_again(now_ns)
            return
        if self._seen is not None:
            self._leading.failed(self._seen.option)
        high_view, high_option = (self.high.view, self.high.option) if self.high is not None else (0, 0)
        self._enter(left + 1, now_ns)
        self._persist()
        statement = self.instance.timeout_statement(left, high_view, high_option, self._accepts)
        signature = self._signer.sign(statement)
        timeout = Timeout(self._slot, self.me, left, high_view, high_option, self._accepts, signature)
        self._say(self.instance.leader(left + 1), timeout)

    def _remind(self) -> None:
        """Half of the view is over: say again what may have been lost, and fetch what is still missing."""
        self._say_again()
        if self.instance.leader(self.view) == self.me:
            self._out += self._leading.lacking(self.view, self.high)

    def _on_nudge(self, sender: int, shown: Nudge, now_ns: int) -> None:
        """Others have left a view that this participant is still in, or before: leave it as well."""
        if not shown.timeouts or self.gave_up:
            return
        left = shown.timeouts[0].view
        if not self.view - 1 <= left < MAX_VIEWS or sender != self.instance.leader(left + 1):
            return
        if left == self.view - 1:
            self._say_again(sender)
            return
        try:
            self._checks.some_left(shown.timeouts, left)
        except Unjustified:
            return
        if left > self.view:
            self._enter(left, now_ns)
        self._leave(now_ns)

    def _on_fetch(self, sender: int, shown: Fetch, _: int) -> None:
        if self.high is not None and 0 < shown.view <= self.high.view and self._telling.may_answer(sender):
            self._out.append(Send(sender, self.high))

    def _answer(self, sender: int, message: Message, now_ns: int) -> None:
        """Whoever still asks after the decision is told it."""
        decision = self.decision
        assert decision is not None
        if isinstance(message, Certificate) or (isinstance(message, Vote) and now_ns < self._time.half_ns):
            return  # the decision has just been sent to all who vote
        if isinstance(message, Timeout) and message.voter == sender:
            evidence = self._telling.denial(message, decision)
            if evidence is not None:
                self._accuse(evidence)
        if self._telling.may_answer(sender):
            self._out.append(Send(sender, decision))

    def _ask_again(self, now_ns: int) -> None:
        self._out += self._telling.ask()
        self._out.append(Wake(self._time.begin_asking(now_ns)))

    def _compare(self, seen: Proposal, shown: Proposal) -> None:
        """A second proposal in one view: the same again means that the vote for it was lost."""
        if shown is seen or shown == seen:
            self._say_again()
            return
        try:
            self._checks.proposal(shown)
        except InvalidVote:
            return
        self._accuse(contradiction(seen, shown))

    def _accuse(self, *caught: Evidence) -> None:
        self._out += map(Accuse, caught)

    def _opinion(self, weights: list[int]) -> list[int]:
        places = self._judge.accepts(self.instance.question, weights)
        return [place for place in places if 0 <= place < len(self.instance.question.options)]

    def _say(self, to: int, message: Message) -> None:
        self._said.append((to, message))
        if to != self.me:
            self._out.append(Send(to, message))
        else:
            self._handle(to, message, self._time.began_ns)

    def _say_again(self, to: int | None = None) -> None:
        """To everybody it was for, or to one of them."""
        self._out += [Send(place, message) for place, message in self._said if place != self.me and to in (None, place)]

    def _persist(self) -> None:
        self._out.append(Persist(self.state()))

    def _take(self) -> list[Effect]:
        out, self._out = self._out, []
        return out
