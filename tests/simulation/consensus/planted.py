"""Planted bugs: machines and checks with one rule broken each, for the simulation to find."""

from phalanx.consensus import (
    PREPARE,
    Broadcast,
    CertificateRefused,
    Checks,
    Instance,
    Machine,
    Persist,
    Send,
    Unjustified,
    Vote,
)


class VotesForEveryProposal(Machine):
    """I2: a second proposal in a view gets a vote too."""

    def _compare(self, seen, shown):
        if shown != seen:
            self._seen, self.prepared = None, (0, 0)
            self._on_proposal(shown.leader, shown, self._time.began_ns)


class CommitsInLeftViews(Machine):
    """I1: a certificate of a view that was left still gets a commit vote."""

    def _on_certificate(self, sender, shown, now_ns):
        super()._on_certificate(sender, shown, now_ns)
        if shown.phase == PREPARE and shown.view < self.view and self.committed[0] < shown.view:
            self.committed = (shown.view, shown.option)
            now, self.view = self.view, shown.view
            self._vote(2, shown.option)
            self.view = now


class PreparesInLeftViews(Machine):
    """I1: a late proposal of a view that was left still gets a prepare vote."""

    def _on_proposal(self, sender, shown, now_ns):
        if shown.view == self.view - 1 and self.prepared[0] < shown.view and sender == shown.leader:
            self.prepared = (shown.view, shown.option)
            now, self.view = self.view, shown.view
            self._vote(PREPARE, shown.option)
            self.view = now
            return
        super()._on_proposal(sender, shown, now_ns)


class ConcealsItsCertificate(Machine):
    """I4: a timeout claims to know no certificate."""

    def _leave(self, now_ns):
        high, self.high = self.high, None
        super()._leave(now_ns)
        self.high = self.high or high


class ForgetsItsCertificate(Machine):
    """I4: the highest certificate is dropped with the view."""

    def _enter(self, view, now_ns):
        super()._enter(view, now_ns)
        self.high = None


class FallsBack(Machine):
    """I4: the certificate seen last replaces a higher one."""

    def _raise_high(self, shown):
        self.high = shown


class SpeaksBeforeSaving(Machine):
    """I2: what was voted is not durable when the vote leaves."""

    def _take(self):
        return [one for one in super()._take() if not isinstance(one, Persist)]


class HasNoOpinion(Machine):
    """Votes for whatever a leader proposes."""

    def _may_prepare(self, shown, high):
        return self.prepared[0] < shown.view


class TakesPreparedForDecided(Machine):
    """I5: a prepare certificate counts as the decision."""

    def _on_certificate(self, sender, shown, now_ns):
        super()._on_certificate(sender, shown, now_ns)
        if self.decision is None and self.high is shown:
            self._decide(shown)


class KeepsItToItself(Machine):
    """Whoever knows the decision tells nobody who asks."""

    def _answer(self, sender, message, now_ns):
        return


class NeverGivesUpAView(Machine):
    """Time passes and nobody leaves."""

    def _leave(self, now_ns):
        return


class TellsEverybody(Machine):
    """Votes go to all, not to the leader."""

    def _take(self):
        return _to_all(super()._take())


def _to_all(effects):
    return [
        Broadcast(one.message) if isinstance(one, Send) and isinstance(one.message, Vote) else one for one in effects
    ]


class IgnoresTheCertificate(Checks):
    """The missing check: a proposal need not be what its highest certificate is for."""

    def justified(self, shown):
        try:
            super().justified(shown)
        except Unjustified as error:
            if "option is not" not in error.reason:
                raise


class IgnoresTheClaims(Checks):
    """A proposal need not show the certificate that its timeouts speak of."""

    def justified(self, shown):
        try:
            super().justified(shown)
        except Unjustified as error:
            if "does not show" not in error.reason:
                raise


class TakesAnEarlierCertificate(Checks):
    """A proposal may show any certificate, not one as high as its timeouts speak of."""

    def justified(self, shown):
        try:
            super().justified(shown)
        except Unjustified as error:
            if "another certificate" not in error.reason:
                raise
            if shown.option != shown.justification.high.option:
                raise


class NeedsNoJustification(Checks):
    """Later views are taken like the first."""

    def justified(self, shown):
        return


class TakesTooFewTimeouts(Checks):
    """As many timeouts as hold one honest participant are taken for a quorum."""

    def quorum_left(self, justification, view):
        voters = {one.voter for one in justification.timeouts}
        if sum(self.instance.weights[voter] for voter in voters) < self.instance.weak:
            raise Unjustified("too few")
        self.left(justification.timeouts, view)


class TakesOldTimeouts(Checks):
    """Timeouts of an earlier view are taken for those of the last."""

    def left(self, timeouts, view):
        if not all(self.sound(one) for one in timeouts) or not all(self.timeouts(timeouts)):
            raise Unjustified("unsigned")


class TakesUnsignedTimeouts(Checks):
    """What timeouts claim is believed."""

    def left(self, timeouts, view):
        if any(one.view != view or not self.sound(one) for one in timeouts):
            raise Unjustified("of another view")


class CountsOneVoterTwice(Checks):
    """A voter counts as often as it stands there."""

    def _quorum(self, voters, n_signatures):
        if len(voters) != n_signatures or not all(0 <= one < self.instance.n for one in voters):
            raise CertificateRefused("form")
        if sum(self.instance.weights[voter] for voter in voters) < self.instance.quorum:
            raise CertificateRefused("too few")


class BelievesCertificates(Checks):
    """A certificate's signatures are not looked at."""

    def certificate(self, shown):
        if shown.slot != self.instance.slot or not 0 <= shown.option < len(self.instance.question.options):
            raise CertificateRefused("form")
        self._quorum(shown.voters, len(shown.signatures))


class RemembersByName(Checks):
    """What was verified is remembered by view, phase and option: anything that looks like it passes."""

    def remember(self, held):
        super().remember(held)
        if hasattr(held, "voters"):
            self.names = {*getattr(self, "names", set()), (held.view, held.voters)}

    def certificate(self, shown):
        if (shown.view, shown.voters) not in getattr(self, "names", set()):
            super().certificate(shown)


class TwoThirdsAreEnough(Checks):
    """Off by one: two thirds, not more than two thirds."""

    def __init__(self, instance, verifier, *, memo=True):
        lax = Instance(instance.epoch, instance.question)
        lax.quorum = 2 * instance.total // 3
        lax.keep = 2 * lax.quorum - lax.total
        super().__init__(lax, verifier, memo=memo)


class QuorumOfThosePresent(Checks):
    """Whoever was filtered out no longer counts: two thirds of those taken in are taken for a quorum."""

    def __init__(self, instance, verifier, *, memo=True):
        lax = Instance(instance.epoch, instance.question)
        lax.total = sum(instance.weights)
        lax.quorum = 2 * lax.total // 3 + 1
        lax.weak = lax.total - lax.quorum + 1
        lax.keep = 2 * lax.quorum - lax.total
        super().__init__(lax, verifier, memo=memo)


MACHINES = (
    VotesForEveryProposal,
    CommitsInLeftViews,
    PreparesInLeftViews,
    ConcealsItsCertificate,
    ForgetsItsCertificate,
    FallsBack,
    SpeaksBeforeSaving,
    HasNoOpinion,
    TakesPreparedForDecided,
    KeepsItToItself,
    NeverGivesUpAView,
    TellsEverybody,
)
CHECKS = (
    IgnoresTheCertificate,
    IgnoresTheClaims,
    TakesAnEarlierCertificate,
    NeedsNoJustification,
    TakesTooFewTimeouts,
    TakesOldTimeouts,
    TakesUnsignedTimeouts,
    CountsOneVoterTwice,
    BelievesCertificates,
    RemembersByName,
    TwoThirdsAreEnough,
    QuorumOfThosePresent,
)
