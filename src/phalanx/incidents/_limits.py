"""Every bound of the room, in one place."""

# Findings of one case that are read to choose from, and that one assessment takes in: the most
# severe. What is left out is counted in the assessment.
MAX_CASE_SCAN = 2_000
MAX_CASE_FINDINGS = 200
# Proposals of one case looked at to see whether its question was answered before.
MAX_CASE_PROPOSALS = 200
# Half the width of the interval asked of the quantum step, and how often it may be wrong.
ESTIMATE_EPSILON = 0.01
ESTIMATE_ALPHA = 0.01
# Time one triage may take before its agent is replaced.
TRIAGE_LIMIT_S = 60.0
MAX_TITLE_CHARS = 160
MAX_REASON_CHARS = 300

# Correlation: how far back, findings compared, links kept of one finding, cases that one thing may be named in before
# it says nothing, and cases followed.
CORRELATE_WITHIN_S = 86_400.0
MAX_CORRELATED_FINDINGS = 300
MAX_LINKS = 50
MAX_LINK_CASES = 10
MAX_RELATED_CASES = 50
# Those who would be touched by an action, as a rehearsal lists them.
MAX_TOUCHED = 50
