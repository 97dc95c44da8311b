"""The base of every section of the settings."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A group of settings. Unknown names are refused, values cannot change under a running node."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
