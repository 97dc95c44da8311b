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
