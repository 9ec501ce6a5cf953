"""The one pydantic base of every value in the domain: immutable, and tolerant of fields it does not know.

Values travel through Temporal histories that outlive a deployment of Slipway, so an old worker must accept what
a newer caller adds. Where people write the values by hand (the pipeline file, HTTP bodies), the caller validates
with ``extra="forbid"`` instead.
"""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """An immutable value; compare with ``==``, change with ``model_copy(update=...)``."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)
