"""A release is a snapshot: what it takes in, what its digest binds, and what it refuses."""

from typing import Any

import pytest
from fakes.made_pipelines import NOON, pins, plans, slugs, some_texts
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.approval import Asked
from domain.ids import ReleaseId
from domain.person import Requester
from domain.pipeline import Pipeline, PlainVariable
from domain.refusal import Refusal
from domain.release import (
    ApproversAreOnePerson,
    ReleasePlan,
    ReleaseRequest,
    UnknownArtifact,
    UnknownStage,
    VariableNotSettable,
    VersionMissing,
    freeze,
    release_name,
    require_settable,
    with_change,
)

JOB = {"job": "deploy", "steps": [{"run": "true"}]}
RELEASE = ReleaseId(pipeline="webshop", number=41)
GROUPS = {"Ops": ("ana@example.com", "bob@example.com"), "support": ("cy@example.com",), "qa": ("dee@example.com",)}
PEOPLE = {"eve@old.example": "eve@example.com", "bea@old.example": "bea@example.com"}
EVE = Requester(name="eve@example.com", addresses=("eve@example.com", "eve@old.example"))


def pipeline(**keys: Any) -> Pipeline:
    """A pipeline with two stages, the second of which asks for approval."""
    approvers = ["eve@example.com", "group:ops", "group:nobody"]
    prod = {"stage": "prod", "after": ["test"], "before": {"approval": {"approvers": approvers}}, "jobs": [JOB]}
    whole = {
        "pipeline": "webshop",
        "artifacts": {"web": {"url": {"href": "https://example.com/x"}, "version": "ask"}},
        "variables": {"REGION": "eu", "LEVEL": {"value": "info", "settable": True}, "DB": {"secret": "db"}},
        "stages": [{"stage": "test", "jobs": [JOB]}, prod],
    }
    return Pipeline.model_validate(whole | keys)


def frozen(request: ReleaseRequest, **keys: Any) -> ReleasePlan:
    """The release made of this request."""
    return freeze(
        pipeline(**keys),
        request,
        release=RELEASE,
        revision=3,
        requester=EVE,
        now=NOON,
        groups=GROUPS,
        people=PEOPLE,
    )


ASKED_FOR = ReleaseRequest(versions={"web": "142"})


def test_a_release_takes_in_all_it_needs_for_years() -> None:
    """Pipeline, request, and the members of the groups that it names."""
    plan = frozen(ReleaseRequest(versions={"web": "142"}, variables={"LEVEL": "debug"}, description="first of May"))
    assert ("webshop-41", 3, "first of May") == (plan.name, plan.revision, plan.description)
    assert ({"web": "142"}, {"LEVEL": "debug"}) == (plan.versions, plan.variables)
    assert {"ops": GROUPS["Ops"]} == plan.groups
    assert pipeline() == plan.pipeline


def test_groups_are_found_whatever_their_case() -> None:
    """Pipelines name them in lower case; of two spellings the exact one goes first."""
    plan = frozen(ASKED_FOR)
    assert {"ops": ("ana@example.com", "bob@example.com")} == plan.groups
    both = {"OPS": ("x@example.com",), "ops": ("y@example.com",)}
    made = freeze(pipeline(), ASKED_FOR, release=RELEASE, revision=1, requester=EVE, now=NOON, groups=both, people={})
    assert {"ops": ("y@example.com",)} == made.groups


def test_people_are_asked_at_the_address_they_are_kept_under() -> None:
    """By whichever of their addresses a policy or a group names them; deputies too."""
    policy = {"approvers": ["bea@old.example", "group:ops"], "escalate": {"to": ["eve@old.example"]}}
    plan = freeze(
        pipeline(stages=[{"stage": "prod", "before": {"approval": policy}, "jobs": [JOB]}]),
        ASKED_FOR,
        release=RELEASE,
        revision=1,
        requester=EVE,
        now=NOON,
        groups={"ops": ("bea@old.example", "cy@example.com", "bea@example.com")},
        people=PEOPLE,
    )
    asked = plan.asked(("bea@old.example", "group:ops"))
    assert [("bea@example.com",), ("bea@example.com", "cy@example.com")] == [one.members for one in asked]
    assert ("eve@example.com",) == plan.members(("eve@old.example",))
    assert EVE == plan.requester


def test_people_are_known_however_their_address_is_spelt() -> None:
    """A domain in its own letters is the one in ``xn--``, in policies, in groups, and of whom it is asked for."""
    wide, narrow = "bea@b\u00fccher.example", "bea@xn--bcher-kva.example"
    policy = {"approvers": [wide, "group:ops"]}
    plan = freeze(
        pipeline(stages=[{"stage": "prod", "before": {"approval": policy}, "jobs": [JOB]}]),
        ReleaseRequest(versions={"web": "142"}, requested_for=wide),
        release=RELEASE,
        revision=1,
        requester=EVE,
        now=NOON,
        groups={"ops": (wide, "cy@example.com")},
        people={narrow: "bea@example.com"},
    )
    assert ("bea@example.com",) == plan.members((wide,))
    assert ("bea@example.com", "cy@example.com") == plan.members(("group:ops",))
    assert "bea@example.com" == plan.requested_for


TWICE = ("bea@old.example", "bea@example.com")
TOO_FEW = "bea@old.example and bea@example.com are the same person"


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ({"approvers": TWICE}, TOO_FEW),
        ({"approvers": TWICE, "order": "in_sequence"}, TOO_FEW),
        ({"approvers": ("eve@example.com", *TWICE), "need": {"at_least": 3}}, TOO_FEW),
        ({"approvers": ("group:ops", *TWICE)}, TOO_FEW),
        ({"approvers": ("cy+ci@example.com", "cy@example.com")}, "cy.ci@example.com and cy@example.com"),
        ({"approvers": TWICE, "escalate": {"to": ["eve+ci@example.com", "bea@example.com"]}}, None),
        ({"approvers": TWICE, "escalate": {"to": ["bea@old.example"]}}, TOO_FEW),
        ({"approvers": TWICE, "escalate": {"to": ["group:ops"]}}, None),
        ({"approvers": TWICE, "need": "any"}, None),
        ({"approvers": ("eve@example.com", *TWICE), "need": {"at_least": 2}}, None),
    ],
)
@pytest.mark.parametrize("moment", ["before", "after_deployment"])
def test_an_approval_that_needs_one_person_twice_is_refused(
    policy: dict[str, Any], told: str | None, moment: str
) -> None:
    """Nobody counts twice, so that it would be waited for in vain; unless fewer are enough, or deputies stand in."""
    stages = [{"stage": "prod", moment: {"approval": policy}, "jobs": [JOB]}]
    if told is None:
        assert "prod" == frozen(ASKED_FOR, stages=stages).pipeline.stages[0].stage
        return
    with pytest.raises(ApproversAreOnePerson, match=told) as refused:
        frozen(ASKED_FOR, stages=stages)
    assert f"{moment.partition('_')[0]} the deployment to prod" in str(refused.value)


def test_who_changes_a_plan_counts_as_its_requester_from_then_on() -> None:
    """The digest is another, so that votes for the plan before say nothing about this one."""
    plan = frozen(ASKED_FOR)
    dee = Requester(name="dee@example.com", addresses=("dee@example.com", "dee@old.example"))
    changed = with_change(plan, {"LEVEL": "debug"}, dee)
    assert plan.digest != changed.digest
    assert {"LEVEL": "debug"} == changed.variables
    assert ("dee@example.com",) == changed.changed_by
    assert (*EVE.addresses, *dee.addresses) == changed.requester_addresses
    assert changed == with_change(changed, {"LEVEL": "debug"}, dee)


def test_only_settable_variables_may_be_changed() -> None:
    """The same rule as when the release is made."""
    require_settable(frozen(ASKED_FOR), ["LEVEL"])
    with pytest.raises(VariableNotSettable, match="variable REGION"):
        require_settable(frozen(ASKED_FOR), ["LEVEL", "REGION"])


def test_the_digest_does_not_depend_on_what_is_left_at_its_default() -> None:
    """So that a field added to the format later voids no vote for an earlier plan."""
    policy = {"approvers": ["eve@example.com"]}
    plans = [
        frozen(ASKED_FOR, stages=[{"stage": "prod", "before": {"approval": one}, "jobs": [JOB]}])
        for one in (policy, {**policy, "timeout": "30d", "link": "link"}, {**policy, "link": "login"})
    ]
    assert plans[0].digest == plans[1].digest != plans[2].digest


def test_stages_can_be_held_back_when_a_release_is_made() -> None:
    """They start by hand then; the others stay as they are."""
    plan = frozen(ReleaseRequest(versions={"web": "142"}, manual_stages=("prod",)))
    assert [False, True] == [stage.manual for stage in plan.pipeline.stages]


def test_those_asked_come_with_the_addresses_that_may_answer() -> None:
    """A person answers for themselves, a group through its members, an unknown group through nobody."""
    plan = frozen(ASKED_FOR)
    policy = plan.pipeline.stage("prod").before.approval
    assert policy is not None
    assert (
        Asked(approver="eve@example.com", members=("eve@example.com",)),
        Asked(approver="group:ops", members=GROUPS["Ops"]),
        Asked(approver="group:nobody", members=()),
    ) == plan.asked(policy.approvers)


@pytest.mark.parametrize(
    ("request_", "refusal", "words"),
    [
        (
            ReleaseRequest(versions={"web": "1"}, manual_stages=("prdo",)),
            UnknownStage,
            "has no stage prdo; did you mean prod?",
        ),
        (ReleaseRequest(versions={"web": "1", "wbe": "2"}), UnknownArtifact, "has no artifact wbe; did you mean web?"),
        (ReleaseRequest(), VersionMissing, "name the version of artifact web"),
        (ReleaseRequest(versions={"web": ""}), VersionMissing, "name the version of artifact web"),
        (ReleaseRequest(versions={"web": "ask"}), VersionMissing, "name the version of artifact web"),
        (ReleaseRequest(versions={"web": "1"}, variables={"REGION": "us"}), VariableNotSettable, "variable REGION"),
        (ReleaseRequest(versions={"web": "1"}, variables={"DB": "x"}), VariableNotSettable, "variable DB"),
        (ReleaseRequest(versions={"web": "1"}, variables={"GONE": "x"}), VariableNotSettable, "variable GONE"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_by_name(
    request_: ReleaseRequest, refusal: type[Refusal], words: str
) -> None:
    """Before anything is written."""
    with pytest.raises(refusal, match=words):
        frozen(request_)


@given(plans())
@settings(max_examples=25)
def test_the_digest_is_the_same_after_a_journey_as_json(plan: ReleasePlan) -> None:
    """Votes that come months later, and from another process, bind to it."""
    again = ReleasePlan.model_validate_json(plan.model_dump_json())
    assert plan == again
    assert plan.digest == again.digest == ReleasePlan.model_validate(plan.model_dump(mode="json")).digest


@given(plans(), st.data())
@settings(max_examples=20)
def test_the_digest_changes_with_anything_that_is_deployed(plan: ReleasePlan, data: st.DataObject) -> None:
    """Pipeline, artifacts, variables, groups, and the release itself."""
    first = plan.pipeline.stages[0]
    step = first.jobs[0].steps[0]
    job = first.jobs[0].model_copy(update={"steps": (step.model_copy(update={"run": f"{step.run}!"}),)})
    stages = (first.model_copy(update={"jobs": (job,)}), *plan.pipeline.stages[1:])
    reworded = {**plan.pipeline.variables, "X-1": PlainVariable(value="new")}
    change = data.draw(
        st.sampled_from(
            [
                {"id": ReleaseId(pipeline=plan.id.pipeline, number=plan.id.number + 1)},
                {"pipeline": plan.pipeline.model_copy(update={"stages": stages})},
                {"pipeline": plan.pipeline.model_copy(update={"variables": reworded})},
                {"artifacts": (*plan.artifacts, data.draw(pins))},
                {"variables": plan.variables | {"X-1": data.draw(some_texts)}},
                {"groups": plan.groups | {"X-1": (data.draw(slugs),)}},
            ]
        )
    )
    assert plan.digest != plan.model_copy(update=change).digest


@given(plans(), some_texts)
@settings(max_examples=20)
def test_words_about_a_release_do_not_change_its_digest(plan: ReleasePlan, text: str) -> None:
    """A vote given stays good when somebody mends the description."""
    reworded = plan.model_copy(update={"description": text, "name": text})
    assert plan.digest == reworded.digest


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ("{pipeline}-{number}", "webshop-41"),
        ("r{number} of {date}", "r41 of 20261123"),
        ("{REGION}-{number}", "eu-41"),
        ("{LEVEL}-{number}", "debug-41"),
        ("{DB}-{number}", "{DB}-41"),
        ("{unknown} {}", "{unknown} {}"),
        ("{number:>9999999}", "{number:>9999999}"),
        ("{pipeline.__class__}", "{pipeline.__class__}"),
        ("x" * 200 + "{number}", "x" * 200),
    ],
)
def test_a_release_is_named_from_its_mask(mask: str, expected: str) -> None:
    """Never with a secret, never by evaluating anything, never too long."""
    made = pipeline().model_copy(update={"release_name": mask})
    assert expected == release_name(made, RELEASE, NOON, {"LEVEL": "debug"})


def test_variables_cannot_pose_as_the_number_of_a_release() -> None:
    """Our own names go first."""
    made = pipeline(variables={"number": {"value": "1", "settable": True}})
    assert "webshop-41" == release_name(made, RELEASE, NOON, {"number": "99"})
