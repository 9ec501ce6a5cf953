"""Pipelines, plans and approvals as hypothesis makes them: any that the rules allow."""

from datetime import UTC, datetime, timedelta
from string import ascii_letters, digits

from hypothesis import strategies as st

from domain.approval_policy import ApprovalPolicy, AtLeast, Escalation, LinkLevel, Order, Quorum
from domain.artifact import PinnedArtifact
from domain.business_hours import BusinessHours, Weekday
from domain.ids import ReleaseId
from domain.pipeline import (
    After,
    Artifact,
    AzurePipelinesSource,
    Checks,
    Condition,
    DirectorySource,
    Environment,
    EnvironmentQueue,
    JenkinsJob,
    JenkinsSource,
    Job,
    LatestOf,
    Pipeline,
    PlainVariable,
    SecretVariable,
    Shell,
    Stage,
    Step,
    UrlSource,
)
from domain.release import ReleasePlan

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

_ALPHANUMERIC = ascii_letters + digits
slugs = st.builds("{}{}".format, st.sampled_from(_ALPHANUMERIC), st.text(_ALPHANUMERIC + "._-", max_size=5))
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Co", "Cn"]), max_size=20)
some_texts = texts.filter(bool)
names = st.builds("{}{}".format, st.sampled_from(ascii_letters + "_"), st.text(_ALPHANUMERIC + "_.", max_size=5))
durations = st.builds(
    lambda count, unit: timedelta(**{unit: count}),
    st.integers(1, 90),
    st.sampled_from(["seconds", "minutes", "hours", "days"]),
)
people = st.builds(lambda name: f"{name}@example.com", st.text(_ALPHANUMERIC, min_size=1, max_size=4))
approvers = st.one_of(people, slugs.map(lambda name: f"group:{name}")).map(str.lower)
version_numbers = st.lists(st.integers(0, 12).map(str), min_size=1, max_size=3).map(".".join)
_wanted = st.one_of(slugs, st.builds(lambda name, value: f"{name}={value}", slugs, slugs))
demands = st.one_of(
    _wanted,
    _wanted.map(lambda wanted: f"!{wanted}"),
    st.builds(lambda name, version: f"{name}>={version}", slugs, version_numbers),
)

sources = st.one_of(
    st.builds(lambda s: {"jenkins": s}, st.builds(JenkinsSource, server=slugs, job=some_texts)),
    st.builds(
        lambda s: {"azure_pipelines": s},
        st.builds(AzurePipelinesSource, connection=slugs, project=some_texts, pipeline=some_texts, artifact=some_texts),
    ),
    st.builds(lambda s: {"url": s}, st.builds(UrlSource, href=slugs.map(lambda host: f"https://{host}/x"))),
    st.builds(lambda s: {"directory": s}, st.builds(DirectorySource, path=slugs.map(lambda name: f"/{name}"))),
)
versions = st.one_of(
    st.sampled_from(["latest", "ask"]),
    some_texts,
    st.builds(LatestOf, branch=st.none() | some_texts, tags=st.lists(some_texts, max_size=2).map(tuple)),
)
artifacts = st.builds(
    lambda source, version, unpack: Artifact(**source, version=version, unpack=unpack),
    sources,
    versions,
    st.booleans(),
)
variables = st.dictionaries(
    names,
    st.one_of(
        st.builds(PlainVariable, value=texts, settable=st.booleans()), st.builds(SecretVariable, secret=some_texts)
    ),
    max_size=3,
)


_deputies = st.lists(approvers, min_size=1, max_size=2, unique=True).map(tuple)


@st.composite
def policies(draw: st.DrawFn) -> ApprovalPolicy:
    """Who is asked, with a quorum that they can reach."""
    asked = tuple(draw(st.lists(approvers, min_size=1, max_size=4, unique=True)))
    need = draw(st.one_of(st.sampled_from(Quorum), st.integers(1, len(asked)).map(lambda n: AtLeast(at_least=n))))
    timeout = draw(durations)
    deputies = st.builds(Escalation, after=st.just(timedelta(seconds=1)), to=_deputies)
    return ApprovalPolicy(
        approvers=asked,
        need=need,
        order=draw(st.sampled_from(Order)),
        timeout=timeout,
        requester_may_approve=draw(st.booleans()),
        link=draw(st.sampled_from(LinkLevel)),
        reauthenticate=draw(st.booleans()),
        comment_required=draw(st.booleans()),
        remind=draw(st.just("never") | durations),
        escalate=draw(st.none() | deputies) if timeout > timedelta(seconds=1) else None,
        business_hours=draw(st.none() | st.builds(BusinessHours, days=st.just((Weekday.SAT,)))),
        instructions=draw(texts),
    )


checks = st.builds(Checks, approval=st.none() | policies())


_builds = st.builds(
    JenkinsJob,
    server=slugs,
    job=some_texts,
    parameters=st.dictionaries(some_texts, texts, max_size=2),
    accept_unstable=st.booleans(),
)


@st.composite
def _steps(draw: st.DrawFn, secrets: list[str]) -> Step:
    build = draw(st.none() | _builds)
    of_script = {
        "run": draw(some_texts),
        "shell": draw(st.sampled_from(Shell)),
        "environment": draw(st.dictionaries(names.filter(lambda name: "." not in name), texts, max_size=2)),
    }
    return Step(
        **({"jenkins": build} if build else of_script),
        name=draw(st.none() | texts),
        enabled=draw(st.booleans()),
        timeout=draw(durations),
        retries=draw(st.integers(0, 10)),
        condition=draw(st.sampled_from(Condition)),
        continue_on_error=draw(st.booleans()),
        secrets=tuple(draw(st.lists(st.sampled_from(secrets), max_size=2))) if secrets else (),
    )


@st.composite
def _jobs(draw: st.DrawFn, name: str, aliases: list[str], secrets: list[str]) -> Job:
    chosen = st.lists(st.sampled_from(aliases), unique=True).map(tuple) if aliases else st.just(())
    return Job(
        job=name,
        pool=draw(slugs),
        demands=tuple(draw(st.lists(demands, max_size=3))),
        condition=draw(st.sampled_from(Condition)),
        timeout=draw(st.none() | durations),
        wait_for_agent=draw(st.none() | durations),
        download=draw(st.sampled_from(["all", "none"]) | chosen),
        steps=tuple(draw(st.lists(_steps(secrets), min_size=1, max_size=2))),
    )


@st.composite
def stage_graphs(draw: st.DrawFn, *, manual: bool = True, most: int = 8) -> tuple[Stage, ...]:
    """Stages that wait for any of those drawn before them, then put in any order."""
    stages: list[Stage] = []
    for name in draw(st.lists(slugs, min_size=1, max_size=most, unique=True)):
        earlier = [stage.stage for stage in stages]
        after = draw(st.lists(st.sampled_from(earlier), unique=True, max_size=3)) if earlier else []
        stages.append(
            Stage(
                stage=name,
                after=tuple(After(stage=one, accept_partially_succeeded=draw(st.booleans())) for one in after),
                manual=manual and draw(st.booleans()),
                jobs=(Job(job="deploy", steps=(Step(run="true"),)),),
            )
        )
    return tuple(draw(st.permutations(stages)))


@st.composite
def pipelines(draw: st.DrawFn) -> Pipeline:
    """Any pipeline that breaks no rule."""
    common = draw(variables)
    sources_by_alias = draw(st.dictionaries(slugs, artifacts, max_size=2))
    stages = []
    for bare in draw(stage_graphs(most=3)):
        own = draw(variables)
        secrets = [name for name, one in (common | own).items() if isinstance(one, SecretVariable)]
        jobs = draw(st.lists(slugs, min_size=1, max_size=2, unique=True))
        update = {
            "variables": own,
            "before": draw(checks),
            "after_deployment": draw(checks),
            "environment": Environment(
                name=draw(st.none() | slugs),
                at_once=draw(st.integers(1, 1000)),
                queue=draw(st.sampled_from(EnvironmentQueue)),
            ),
            "jobs": tuple(draw(_jobs(name, list(sources_by_alias), secrets)) for name in jobs),
        }
        stages.append(bare.model_copy(update=update))
    return Pipeline(
        pipeline=draw(slugs),
        description=draw(texts),
        release_name=draw(st.sampled_from(["{pipeline}-{number}", "r{number}"]) | some_texts),
        artifacts=sources_by_alias,
        variables=common,
        stages=tuple(stages),
    )


pins = st.builds(
    PinnedArtifact,
    alias=slugs,
    kind=st.just("URL"),
    version=some_texts,
    digest=st.just("d" * 64),
    manifest_id=st.just("m" * 64),
    file_count=st.integers(0, 9),
    size=st.integers(0, 9),
    branch=st.none() | texts,
    built_at=st.none() | st.just(NOON),
)


@st.composite
def plans(draw: st.DrawFn) -> ReleasePlan:
    """Any frozen release."""
    pipeline = draw(pipelines())
    return ReleasePlan(
        id=ReleaseId(pipeline=pipeline.pipeline, number=draw(st.integers(1, 10_000))),
        name=draw(some_texts),
        revision=draw(st.integers(1, 99)),
        pipeline=pipeline,
        requested_by=draw(people),
        requested_at=NOON,
        variables=draw(st.dictionaries(names, texts, max_size=2)),
        groups=draw(st.dictionaries(slugs, st.lists(people, max_size=3).map(tuple), max_size=2)),
        artifacts=tuple(draw(st.lists(pins, max_size=2))),
    )
