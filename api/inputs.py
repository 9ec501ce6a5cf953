"""What comes in: the strict base of bodies, and the parts of paths with their limits."""

import re
from typing import Annotated, Any

from fastapi import Depends, Path, Query
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    SecretStr,
    StringConstraints,
    model_validator,
)

from domain.ids import SLUG_PATTERN, DeploymentId, ReleaseId
from domain.outputs import FILES
from domain.person import spelled

_LARGEST_NUMBER = 2**31 - 1
LARGEST_OFFSET = 2**53 - 1  # what every JSON reader can tell from its neighbours
_STEP_RUN = r"^[A-Za-z0-9._-]+/[0-9]{1,9}/[A-Za-z0-9._-]+/[0-9]{1,9}/[A-Za-z0-9._-]+/[0-9]{1,4}/[0-9]{1,4}$"

Slug = Annotated[str, Path(pattern=SLUG_PATTERN)]
Number = Annotated[int, Path(ge=1, le=_LARGEST_NUMBER)]
StepRun = Annotated[
    str,
    Path(pattern=_STEP_RUN, max_length=270, description="webshop/41/prod/1/deploy/2/1: step (from 1), then the try."),
]
FileNumber = Annotated[int, Path(ge=1, le=FILES, description="The place of the file among those of the run, from 1.")]
Offset = Annotated[int, Query(ge=0, le=LARGEST_OFFSET, description="Bytes from the start of the log, or of the file.")]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=400, description="next_cursor of the page before.")]


def _as_spelled(value: object) -> object:
    return spelled(value) if isinstance(value, str) else value


Mail = Annotated[
    str,
    BeforeValidator(_as_spelled),  # first, so that what comes out of it is held to the rest
    StringConstraints(max_length=320, pattern=r"^[^\s@:<>,]+@[^\s@:<>,]+$"),
]


def _whole_characters(value: SecretStr) -> SecretStr:
    """JSON can spell half of a character. Other text is held to this by its type."""
    if re.search("[\ud800-\udfff]", value.get_secret_value()):
        raise ValueError("must not contain half of a character")
    return value


SecretText = Annotated[SecretStr, AfterValidator(_whole_characters)]
SlugText = Annotated[str, StringConstraints(pattern=SLUG_PATTERN)]


class Body(BaseModel):
    """A JSON body. Unknown fields are refused, so that a misspelt one is not silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nul(cls, written: Any) -> Any:
        """PostgreSQL keeps no NUL in text."""
        if _has_nul(written):
            raise ValueError("must not contain the NUL character")
        return written


def _has_nul(written: object) -> bool:
    """Without recursion: a body may be nested deeper than the stack."""
    left = [written]
    while left:
        part = left.pop()
        if isinstance(part, str) and "\0" in part:
            return True
        if isinstance(part, dict):
            left += [*part.keys(), *part.values()]
        elif isinstance(part, list):
            left += part
    return False


def release_id(pipeline: Slug, number: Number) -> ReleaseId:
    """From ``/{pipeline}/{number}``."""
    return ReleaseId(pipeline=pipeline, number=number)


def deployment_id(pipeline: Slug, number: Number, stage: Slug, attempt: Number) -> DeploymentId:
    """From ``/{pipeline}/{number}/{stage}/{attempt}``."""
    return DeploymentId(release=release_id(pipeline, number), stage=stage, attempt=attempt)


Release = Annotated[ReleaseId, Depends(release_id)]
Deployment = Annotated[DeploymentId, Depends(deployment_id)]
