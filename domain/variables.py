"""Which value of a variable wins, and the names every step finds in its environment.

Scopes from far to near: pipeline, stage, set for the release. Nearer wins. A secret is a reference all the way; it
reaches only the step that names it.
"""

import re
from collections.abc import Iterable

from domain.artifact import PinnedArtifact
from domain.frozen import Frozen
from domain.ids import DeploymentId
from domain.pipeline import PlainVariable, SecretVariable, Stage, Variables
from domain.release import ReleasePlan


class Resolved(Frozen):
    """Plain values by name, and the names of stored secrets by variable name."""

    plain: dict[str, str]
    secrets: dict[str, str]


def resolve(scopes: Iterable[Variables]) -> Resolved:
    """Merge the scopes, far to near. A name that a nearer scope makes secret is secret, and the other way round."""
    nearest: Variables = {}
    for scope in scopes:
        nearest |= scope
    return Resolved(
        plain={name: v.value for name, v in nearest.items() if isinstance(v, PlainVariable)},
        secrets={name: v.secret for name, v in nearest.items() if isinstance(v, SecretVariable)},
    )


def of_stage(plan: ReleasePlan, stage: Stage) -> Resolved:
    """The variables of a stage of this release. What its requester chose does not replace a secret of the stage."""
    secret = {name for name, variable in stage.variables.items() if isinstance(variable, SecretVariable)}
    chosen: Variables = {name: PlainVariable(value=v) for name, v in plan.variables.items() if name not in secret}
    return resolve([plan.pipeline.variables, stage.variables, chosen])


def environment_name(variable: str) -> str:
    """How a variable is spelt in the environment: ``Release.ReleaseName`` is ``RELEASE_RELEASENAME``."""
    return re.sub(r"[^A-Za-z0-9_]", "_", variable).upper() if "." in variable else variable


def predefined(plan: ReleasePlan, deployment: DeploymentId, job: str, requested_by: str) -> dict[str, str]:
    """What every step of the deployment finds, in our spelling and in Azure's."""
    release = {
        "RELEASE_NAME": plan.name,
        "RELEASE_NUMBER": str(plan.id.number),
        "RELEASE_PIPELINE": plan.id.pipeline,
        "RELEASE_REQUESTED_BY": plan.requested_by,
        "RELEASE_DESCRIPTION": plan.description,
        "STAGE_NAME": deployment.stage,
        "DEPLOYMENT_ID": str(deployment),
        "DEPLOYMENT_ATTEMPT": str(deployment.attempt),
        "DEPLOYMENT_REQUESTED_BY": requested_by,
        "JOB_NAME": job,
    }
    azure = {
        "RELEASE_RELEASENAME": plan.name,
        "RELEASE_RELEASEID": str(plan.id.number),
        "RELEASE_DEFINITIONNAME": plan.id.pipeline,
        "RELEASE_ENVIRONMENTNAME": deployment.stage,
        "RELEASE_ATTEMPTNUMBER": str(deployment.attempt),
        "RELEASE_REQUESTEDFOR": plan.requested_by,
        "RELEASE_DEPLOYMENT_REQUESTEDFOR": requested_by,
        "RELEASE_RELEASEDESCRIPTION": plan.description,
        "AGENT_JOBNAME": job,
    }
    return release | azure | {name: value for pin in plan.artifacts for name, value in _of_artifact(pin).items()}


def _of_artifact(pin: PinnedArtifact) -> dict[str, str]:
    alias = re.sub(r"[^A-Za-z0-9_]", "_", pin.alias).upper()
    return {
        f"ARTIFACT_{alias}_VERSION": pin.version,
        f"ARTIFACT_{alias}_DIGEST": pin.digest,
        f"ARTIFACT_{alias}_BRANCH": pin.branch or "",
        f"ARTIFACT_{alias}_COMMIT": pin.commit or "",
        f"RELEASE_ARTIFACTS_{alias}_BUILDNUMBER": pin.version,
        f"RELEASE_ARTIFACTS_{alias}_SOURCEBRANCH": pin.branch or "",
        f"RELEASE_ARTIFACTS_{alias}_SOURCEVERSION": pin.commit or "",
        f"RELEASE_ARTIFACTS_{alias}_TYPE": pin.kind,
    }
