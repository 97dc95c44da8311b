"""What this room raises beyond the errors of ``core``."""

from phalanx.core import InvalidInput, PhalanxError


class InvalidRule(InvalidInput):
    """A detection rule cannot be compiled. Attributes: ``rule``, ``field``, ``reason``."""

    code = "invalid-rule"

    def __init__(self, rule: str, field: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f"{rule}: {field}", reason, hint=hint)
        self.rule = rule
        self.field = field


class UnsupportedRule(InvalidRule):
    """A rule is valid Sigma, but uses something this compiler does not support. ``feature`` names it."""

    code = "unsupported-rule"

    def __init__(self, rule: str, field: str, feature: str) -> None:
        super().__init__(rule, field, f"{feature} is not supported")
        self.feature = feature


class BadLine(PhalanxError):
    """A line is not an event of the format it was read as. Attribute: ``reason``."""

    code = "bad-line"

    def __init__(self, reason: str) -> None:
        super().__init__(reason, reason=reason)
        self.reason = reason


class NoEvent(BadLine):
    """A line is neither an event of the log nor an error: it is part of the header."""

    code = "no-event"
