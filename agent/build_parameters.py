"""What is checked before Jenkins is asked for a build: it would drop unsaid what it does not know."""

from collections.abc import Mapping

from activities.jenkins_builds import BuildRefused, JobToBuild
from domain.jenkins_parameters import RUN_PARAMETER
from domain.pipeline import JenkinsJob


def to_be_given(asked: JenkinsJob, job: JobToBuild, filled_in: Mapping[str, str], mark: str) -> dict[str, str] | None:
    """What to give the build, and our mark where the job declares it; None where the job takes nothing.

    Raises BuildRefused; no value is in its words, for it may be secret.
    """
    name = asked.job
    if not job.is_buildable:
        raise BuildRefused(f"the job {name} is disabled at {asked.server}, or cannot be built; enable it")
    if job.parameters is None:
        if filled_in:
            raise BuildRefused(f"the job {name} takes no parameters, but this step gives it {', '.join(filled_in)}")
        return None
    declared = {one.name: one.choices for one in job.parameters}
    if unknown := [parameter for parameter in filled_in if parameter not in declared]:
        raise BuildRefused(f"the job {name} has no parameter {', '.join(unknown)}; it has {', '.join(declared)}")
    for parameter, value in filled_in.items():
        if declared[parameter] and value not in declared[parameter]:
            choices = ", ".join(declared[parameter])
            raise BuildRefused(f"the parameter {parameter} of the job {name} must be one of {choices}")
    return {**filled_in, **({RUN_PARAMETER: mark} if RUN_PARAMETER in declared else {})}
