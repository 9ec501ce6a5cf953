"""How a release reads in a terminal: pure functions from the API's answer to lines."""

from datetime import UTC, datetime

from cli.answers import Deployment, Release, Stage, StepRun
from cli.durations import readable
from cli.exit_codes import ExitCode

FINAL = frozenset({"succeeded", "partially succeeded", "failed", "canceled", "abandoned"})
_REFUSED = frozenset({"rejected", "expired"})


def is_over(release: Release) -> bool:
    """Whether nothing runs or waits any more."""
    return release["status"] in FINAL


def exit_code(release: Release) -> ExitCode:
    """What the end of a release means for a script. Still open counts as fine."""
    if release["status"] in {"canceled", "abandoned"}:
        return ExitCode.FAILED
    if release["status"] != "failed":
        return ExitCode.OK
    stages = {stage["status"] for stage in release["stages"]}
    return ExitCode.REJECTED if stages & _REFUSED and "failed" not in stages else ExitCode.FAILED


def latest_deployment(release: Release, stage: str) -> Deployment | None:
    """The last attempt at a stage."""
    attempts = [d for d in release["deployments"] if d["stage"] == stage]
    return max(attempts, key=lambda deployment: deployment["attempt"], default=None)


def explanation(release: Release, stage: Stage) -> str:
    """What the stage waits for, or why it ended as it did: of itself, its deployment, or a job of it."""
    deployment = latest_deployment(release, stage["stage"])
    waiting = stage["waiting_for"] or (deployment["waiting_for"] if deployment else "")
    jobs = deployment["jobs"] if deployment else []
    job_words = [words for job in jobs if (words := job["waiting_for"] or job["reason"])]
    reason = stage["reason"] or (deployment["reason"] if deployment else "")
    return waiting or reason or " ".join(job_words[:1])


def duration(release: Release, stage: Stage, now: datetime) -> str:
    """How long the last attempt took, or takes so far."""
    deployment = latest_deployment(release, stage["stage"])
    if deployment is None or not deployment["started_at"]:
        return ""
    end = moment(deployment["finished_at"]) if deployment["finished_at"] else now
    return readable((end - moment(deployment["started_at"])).total_seconds())


def intervention(step: StepRun) -> list[str]:
    """What people are asked about a step, until when, and how it is decided; or what was decided."""
    asked = step.get("intervention")
    if not asked:
        return []
    if not asked["is_open"]:
        return [asked["text"]]
    options = "|".join(asked["options"])
    return [
        f"{asked['text']} Without a decision the job fails at {local_time(asked['expires_at'])}.",
        f"decide: slipway decide {step['run_id']} {options}",
    ]


def moment(text: str) -> datetime:
    """Read an RFC 3339 time; a time without zone is UTC."""
    read = datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def local_time(text: str | None) -> str:
    """A time of the API in the reader's zone, to the second; empty for none."""
    return moment(text).astimezone().strftime("%Y-%m-%d %H:%M:%S") if text else ""


def versions(release: Release) -> str:
    """The pinned artifacts in one line."""
    return ", ".join(f"{artifact['alias']} {artifact['version']}" for artifact in release["artifacts"])


def requester(release: Release) -> str:
    """Who asked, and for whom."""
    by, person = release["requested_by"], release["requested_for"]
    return f"{by} for {person}" if person not in {"", by} else by


def changes(before: Release | None, after: Release) -> list[str]:
    """What a watcher is told between two looks at a release, a line each."""
    earlier = {stage["stage"]: _standing(before, stage) for stage in before["stages"]} if before else {}
    lines = []
    for stage in after["stages"]:
        status, words = standing = _standing(after, stage)
        if earlier.get(stage["stage"], ("not started", "")) != standing:
            lines.append(f"{stage['stage']}: {status}" + (f" - {words}" if words else ""))
    if before is None or (before["status"], before["waiting_for"]) != (after["status"], after["waiting_for"]):
        words = after["reason"] if is_over(after) else after["waiting_for"]
        lines.append(f"{after['id']}: {after['status']}" + (f" - {words}" if words else ""))
    return lines


def _standing(release: Release, stage: Stage) -> tuple[str, str]:
    return stage["status"], explanation(release, stage)
