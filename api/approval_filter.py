"""Which approvals a list shows."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from fastapi import Query

from domain.approval import Moment, Verdict
from domain.ids import SLUG_PATTERN

_RELEASE = rf"{SLUG_PATTERN.removesuffix('$')}/[1-9][0-9]{{0,9}}$"
_Name = Annotated[str | None, Query(pattern=SLUG_PATTERN)]


@dataclass(frozen=True)
class ApprovalFilter:
    """All that is given must hold. Pending ones are meant if nothing is said about the verdict."""

    group: Annotated[str | None, Query(pattern=SLUG_PATTERN, description="Asked of this group.")] = None
    pipeline: _Name = None
    stage: _Name = None
    release: Annotated[str | None, Query(pattern=_RELEASE, description="Such as webshop/41.")] = None
    moment: Moment | None = None
    verdict: Verdict | Literal["any"] = Verdict.PENDING

    @property
    def criteria(self) -> dict[str, Any]:
        """As the tables are asked, where None is any."""
        return asdict(self) | {"verdict": None if self.verdict == "any" else self.verdict}
