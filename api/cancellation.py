"""Canceling over HTTP: the body that says why, who may, and what the answer says will happen."""

from collections.abc import Iterable

from pydantic import Field

from api.approval_views import ApprovalView
from api.auth import Caller
from api.inputs import Body
from api.views import DeploymentView, ReleaseView
from domain.answering import is_one_of
from domain.approval import Moment, Verdict
from domain.person import Person
from domain.refusal import Kind, NotAllowed, Refusal
from domain.role import Role
from domain.status import StageStatus


class Cancellation(Body):
    """Why the release or deployment is canceled."""

    reason: str = Field(default="", max_length=1000)


class CanceledRelease(ReleaseView):
    """The release as it still stands, and what happens to it now, in words."""

    message: str


class CanceledDeployment(DeploymentView):
    """The deployment as it still stands, and what happens to it now, in words."""

    message: str


class AlreadyOver(Refusal):
    """What is to be canceled or changed has ended."""

    kind = Kind.CONFLICT


def require_canceler(caller: Caller, person: Person, starters: Iterable[str]) -> None:
    """Raise NotAllowed unless it is a releaser, or somebody who started it themselves."""
    if caller.role.includes(Role.RELEASER) or is_one_of((caller.subject, *person.addresses), starters):
        return
    raise NotAllowed(f"only who started it, or a {Role.RELEASER}, may cancel it; your role is {caller.role}")


def what_happens_to_release(release: ReleaseView) -> str:
    """In words, for who canceled it."""
    never = [stage.stage for stage in release.stages if stage.status == StageStatus.NOT_STARTED]
    ends = [_end_of(deployment) for deployment in release.deployments if not deployment.status.is_final]
    if never:
        ends.append(f"nothing is deployed to {', '.join(never)}")
    return _sentence(f"Release {release.id} is being canceled", [*ends, _approvals(release.deployments)])


def what_happens_to_deployment(deployment: DeploymentView) -> str:
    """In words, for who canceled it."""
    later = f"what comes after {deployment.stage} does not start by itself"
    return _sentence(
        f"Deployment {deployment.id} is being canceled", [_end_of(deployment), _approvals([deployment]), later]
    )


def _end_of(deployment: DeploymentView) -> str:
    if deployment.status == StageStatus.IN_PROGRESS:
        return f"what runs in {deployment.stage} is stopped"
    if any(approval.moment == Moment.AFTER for approval in _open(deployment)):
        return f"what was deployed to {deployment.stage} stays there"
    return f"nothing is deployed to {deployment.stage}"


def _approvals(deployments: Iterable[DeploymentView]) -> str:
    number = sum(len(_open(deployment)) for deployment in deployments)
    if number == 0:
        return ""
    return f"{number} open approval{'s are' if number > 1 else ' is'} no longer needed"


def _open(deployment: DeploymentView) -> list[ApprovalView]:
    return [approval for approval in deployment.approvals if approval.verdict == Verdict.PENDING]


def _sentence(head: str, ends: Iterable[str]) -> str:
    told = "; ".join(end for end in ends if end)
    return f"{head}: {told}." if told else f"{head}."
