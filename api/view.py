"""The base of what the API answers."""

from pydantic import BaseModel, ConfigDict


class View(BaseModel):
    """An answer. Times are RFC 3339 in UTC."""

    model_config = ConfigDict(frozen=True)
