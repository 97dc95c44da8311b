"""What a question is refused with."""

from phalanx.core import InvalidInput


class InvalidQuery(InvalidInput):
    """A query cannot be parsed. Attributes: ``column`` (from 1), ``reason``, ``query``."""

    code = "invalid-query"
    query: str

    def __init__(self, query: str, column: int, reason: str, *, hint: str = "") -> None:
        super().__init__(f"column {column}", reason, hint=hint)
        self.query = query
        self.column = column

    def pointer(self) -> str:
        """The question with a mark below the letter that it stumbles over."""
        return f"{self.query}\n{' ' * (self.column - 1)}^"
