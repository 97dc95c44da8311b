"""What was assessed and decided, in one line."""

from phalanx.core import Assessment, Decision, Verdict
from phalanx.incidents._model import ActionProposal


def assessment_in_words(assessment: Assessment) -> str:
    low, high = assessment.interval
    origins = ", ".join(dict.fromkeys(source.origin.value for source in assessment.provenance))
    little = ", too little evidence to tell," if assessment.verdict is Verdict.INCONCLUSIVE else ""
    return (
        f"{assessment.subject} {assessment.verdict.value}{little} "
        f"with probability {assessment.probability:.2f} [{low:.2f}, {high:.2f}]"
        + (f", quantum estimate {origins}" if origins else "")
    )


def decision_in_words(proposal: ActionProposal, decision: Decision) -> str:
    return f"{proposal.action} of {proposal.target} {decision.outcome.value}: {'; '.join(decision.reasons)}"
