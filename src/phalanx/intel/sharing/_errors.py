"""What sharing raises beyond the errors of ``core``."""

from phalanx.core import InvalidInput, PhalanxError


class InvalidObject(InvalidInput):
    """An object is not STIX. Attributes: ``object`` (its id, or its place), ``property``, ``reason``."""

    code = "invalid-object"

    def __init__(self, object_: str, property_: str, reason: str) -> None:
        super().__init__(f"{object_}: {property_}" if property_ else object_, reason)
        self.object = object_
        self.property = property_
        self.context = {**self.context, "object": object_, "property": property_}


class InvalidPattern(InvalidInput):
    """A pattern is not one of STIX. Attributes: ``position`` (a character), ``reason``."""

    code = "invalid-pattern"

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(f"pattern, character {position + 1}", reason)
        self.position = position


class UnsupportedPattern(InvalidInput):
    """A pattern is valid STIX, but cannot be used here for what was asked. Attribute: ``feature``."""

    code = "unsupported-pattern"

    def __init__(self, feature: str, why: str) -> None:
        super().__init__("pattern", f"{feature} is not supported: {why}")
        self.feature = feature


class NotShareable(PhalanxError):
    """The marking of an object does not allow it to go there. Attributes: ``object``, ``marking``, ``to``."""

    code = "not-shareable"
    object: str
    marking: str
    to: str

    def __init__(self, object_: str, marking: str, to: str, why: str) -> None:
        super().__init__(
            f"{object_} is {marking} and may not go to {to}: {why}",
            hint="change the marking if its owner agrees, or choose a narrower audience",
            object=object_, marking=marking, to=to,
        )  # fmt: skip


class TaxiiRefused(PhalanxError):
    """A TAXII server answered with an error. Attributes: ``url``, ``status``, ``reason``."""

    code = "taxii-refused"

    def __init__(self, url: str, status: int, reason: str) -> None:
        super().__init__(
            f"{url} answered {status}: {reason}",
            hint="look at the secret and the rights of its owner" if status in (401, 403) else "",
            url=url, status=status, reason=reason,
        )  # fmt: skip
