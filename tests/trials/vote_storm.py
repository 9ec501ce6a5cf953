"""A storm of votes: everything that people do is sent several times, shuffled, all at once.

Afterwards workflow, table, page and receipts agree, each vote counts once, and where the order does not matter the
outcome is the model's.
"""

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from fakes.warm_database import IN_MEMORY
from trials.acts import Act, Told, send_all
from trials.agreement import disagreements, end_disagreements
from trials.approval_world import MANAGER, REQUESTER, ApprovalWorld, approval_world
from trials.verdict import Verdict
from trials.vote_model import Asked, possible_verdicts

from domain.approval import Approval
from domain.approval_policy import Order
from domain.ids import split_approval_id
from storage.clock import utc_now

PEOPLE = tuple(f"p{number}@example.com" for number in range(14))
GROUPS = {
    "red": PEOPLE[0:5],
    "blue": PEOPLE[3:8],
    "green": (*PEOPLE[7:11], PEOPLE[0]),
    "small": PEOPLE[4:5],
    "mixed": (REQUESTER, *PEOPLE[10:13]),
}
_VOTES_PER_APPROVAL = 11
_VOTES_PER_WAVE = 1000
_STAGES = 8
_TIMES = (1, 1, 1, 1, 1, 1, 2, 2, 3, 5)
_AT_ONCE = 16


@dataclass
class _Approval:
    """One approval of the plan: its policy, and what is done to it. A calm one sees nothing but one vote a person."""

    stage: str
    policy: dict[str, Any]
    is_calm: bool
    choices: dict[str, str] = field(default_factory=dict)
    id: str = ""
    page: dict[str, Any] = field(default_factory=dict)


@dataclass
class _Release:
    """One release of several such approvals, all of which are open at once."""

    pipeline: str
    planned: list[_Approval]
    id: str = ""


@dataclass
class _Count:
    """What comes together over all releases of a storm."""

    counts: Counter[str] = field(default_factory=Counter)
    fired: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


async def run(seed: int, amount: int) -> Verdict:
    """So many votes, and what else is done on the way, in waves of several releases."""
    rng = random.Random(seed)
    count = _Count(fired=Counter(dict.fromkeys(_FAULTS, 0)))
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        async with approval_world(Path(folder), sends_mail=False) as world:
            for name, members in GROUPS.items():
                await world.group(name, members)
            while count.counts["votes"] < amount:
                await _wave(world, rng, count, min(amount - count.counts["votes"], _VOTES_PER_WAVE))
    return Verdict(
        trial="vote_storm",
        seed=seed,
        counts=dict(count.counts),
        fired=dict(count.fired),
        violations=tuple(count.violations),
    )


_FAULTS = (
    "sent again",
    "counted",
    "refused",
    "withdrawn",
    "reassigned",
    "overridden",
    "deferred",
    "answered by a deputy",
    "compared with the model",
)


async def _wave(world: ApprovalWorld, rng: random.Random, count: _Count, votes: int) -> None:
    """Ask, let the storm loose on all of them at once, and look at what has become of each."""
    number = count.counts["waves"]
    stages = [_planned(rng, f"s{at}") for at in range(-(-votes // _VOTES_PER_APPROVAL))]
    releases = [
        _Release(f"storm-{number}-{at}", stages[first : first + _STAGES])
        for at, first in enumerate(range(0, len(stages), _STAGES))
    ]
    await asyncio.gather(*(_open(world, release) for release in releases))
    acts = [act for one in stages for act in (_calm(rng, one) if one.is_calm else _lively(rng, one))]
    sent = [act for act in acts for _ in range(rng.choice(_TIMES))]
    rng.shuffle(sent)
    told: dict[str, list[Told]] = {one.id: [] for one in stages}
    for answer in await send_all(world, sent, _AT_ONCE):
        told[answer.act.approval].append(answer)
    for release in releases:
        for one in release.planned:
            count.violations += await _checked(world, one, told[one.id], count)
        count.violations += await _ended(world, release)
    count.counts.update(
        waves=1,
        approvals=len(stages),
        votes=sum(act.what == "votes" for act in acts),
        acts=len(acts),
        requests=len(sent),
        stored=sum(one.is_stored for answers in told.values() for one in answers),
    )
    count.fired["sent again"] += len(sent) - len(acts)


def _stage(planned: _Approval) -> dict[str, Any]:
    """The job is left out by its condition, so that no agent is needed."""
    job = {"job": "deploy", "condition": "failed", "steps": [{"run": "deploy"}]}
    return {"stage": planned.stage, "before": {"approval": planned.policy}, "jobs": [job]}


def _planned(rng: random.Random, stage: str) -> _Approval:
    """A random policy: people, groups that share members, how many, in which order, deputies."""
    groups = [f"group:{name}" for name in GROUPS]
    approvers = [*rng.sample(groups, rng.randint(1, 3)), *rng.sample([*PEOPLE, REQUESTER], rng.randint(1, 4))]
    rng.shuffle(approvers)
    policy: dict[str, Any] = {
        "approvers": approvers,
        "need": rng.choice(["all", "all", "any", {"at_least": rng.randint(2, len(approvers))}]),
        "requester_may_approve": rng.random() < 0.2,
        "remind": "never",
        "link": "login",
    }
    if rng.random() < 0.3:
        policy["escalate"] = {"after": "1s", "to": rng.sample([*PEOPLE, "group:green"], rng.randint(1, 2))}
    is_calm = rng.random() < 0.5
    if not is_calm and rng.random() < 0.5:
        policy["order"] = "in_sequence"
    return _Approval(stage=stage, policy=policy, is_calm=is_calm)


async def _open(world: ApprovalWorld, release: _Release) -> None:
    """Wait until all are asked that will be: the deputies too, where all are asked at once."""
    await world.save(release.pipeline, [_stage(one) for one in release.planned])
    release.id = await world.release(release.pipeline)
    for one in release.planned:
        one.id = f"{release.id}/{one.stage}/1/before"

    await asyncio.gather(*(world.seen(one.id, partial(_is_open, one)) for one in release.planned))
    for one in release.planned:
        one.page = await world.page(one.id)


def _is_open(planned: _Approval, row: Approval) -> bool:
    # Who is asked by name answers for themselves, never as a deputy.
    deputies = {*_people(planned.policy.get("escalate", {}).get("to", ()))} - {*planned.policy["approvers"]}
    return row.policy.order == Order.IN_SEQUENCE or all(deputies <= set(asked.people) for asked in row.asked)


def _people(approvers: Sequence[str]) -> Iterator[str]:
    for approver in approvers:
        group = approver.removeprefix("group:")
        yield from (approver,) if group == approver else GROUPS[group]


def _calm(rng: random.Random, planned: _Approval) -> Iterator[Act]:
    """One vote of each of several people, some of whom are not asked; rejections only now and then."""
    rejects = 0.1 if rng.random() < 0.3 else 0.0
    for person in _voters(rng, planned):
        planned.choices[person] = "reject" if rng.random() < rejects else "approve"
        yield _vote(planned, person, planned.choices[person], "v")


def _voters(rng: random.Random, planned: _Approval) -> list[str]:
    asked = [person for one in planned.page["asked"] for person in (*one["members"], *one["deputies"])]
    likely = [person for person in dict.fromkeys(asked) if rng.random() < 0.9]
    strangers = [person for person in (*PEOPLE, REQUESTER) if person not in asked]
    return [*likely, *rng.sample(strangers, min(2, len(strangers)))]


def _lively(rng: random.Random, planned: _Approval) -> Iterator[Act]:
    """Votes that are taken back and given anew, otherwise too; places given to others; now and then an override."""
    voters = _voters(rng, planned)
    for person in voters:
        yield _vote(planned, person, "reject" if rng.random() < 0.02 else "approve", "v", _later(rng))
        if rng.random() < 0.6:
            yield _act(planned, person, "withdrawals", "w", vote_id="v", comment="on second thoughts")
        if rng.random() < 0.3:
            yield _vote(planned, person, "approve", "v2")
    for number in range(rng.randint(1, 3)):
        place = rng.choice(planned.page["asked"])
        who = rng.choice([MANAGER, *place["members"]])
        to = rng.choice([*PEOPLE, *(f"group:{name}" for name in GROUPS)])
        yield _act(planned, who, "reassignments", f"r{number}", approver=place["approver"], to=to)
    if rng.random() < 0.4:
        choice, digest = rng.choice(["approve", "reject"]), planned.page["digest"]
        yield _act(planned, MANAGER, "overrides", "o", choice=choice, digest=digest, comment="it is urgent")


def _later(rng: random.Random) -> dict[str, str]:
    """Now and then an approval counts only from a moment on."""
    return {"not_before": (utc_now() + timedelta(seconds=2)).isoformat()} if rng.random() < 0.15 else {}


def _vote(planned: _Approval, person: str, choice: str, action_id: str, more: dict[str, str] | None = None) -> Act:
    deferral = more if more and choice == "approve" else {}
    return _act(planned, person, "votes", action_id, choice=choice, digest=planned.page["digest"], **deferral)


def _act(planned: _Approval, person: str, what: str, action_id: str, **body: Any) -> Act:
    return Act(approval=planned.id, person=person, what=what, body={"action_id": action_id, **body})


async def _checked(world: ApprovalWorld, planned: _Approval, told: list[Told], count: _Count) -> list[str]:
    found = await disagreements(world, planned.id, told)
    page = await world.page(planned.id)
    if planned.is_calm:
        found += _compared(planned, page)
        count.fired["compared with the model"] += 1
    deputies = {person for asked in page["asked"] for person in asked["deputies"]}
    kinds = {(one.act.what, one.kind) for one in told}
    count.counts.update(f"told: {one.kind}" for one in told)
    count.fired.update(
        {
            "counted": sum(one.kind == "counted" for one in told),
            "refused": sum(not one.stands and not one.is_stored for one in told),
            "withdrawn": ("withdrawals", "done") in kinds,
            "reassigned": ("reassignments", "done") in kinds,
            "overridden": page["is_overridden"],
            "deferred": any(vote["not_before"] for vote in page["votes"]),
            "answered by a deputy": any(vote["by"] in deputies for vote in page["votes"]),
        }
    )
    return found


def _compared(planned: _Approval, page: dict[str, Any]) -> list[str]:
    """Against the model. What is pending has as many answers as can be found a place for."""
    barred = frozenset() if page["requester_may_approve"] else frozenset({REQUESTER})
    places = {one["approver"]: frozenset((*one["members"], *one["deputies"])) for one in planned.page["asked"]}
    asked = Asked(places=places, needed=page["needed"], barred=barred)
    by_choice = {c: {p for p, chosen in planned.choices.items() if chosen == c} for c in ("approve", "reject")}
    expected = possible_verdicts(asked, by_choice["approve"], by_choice["reject"])
    found = []
    if page["verdict"] not in expected:
        found.append(f"{page['verdict']}, where the model says {' or '.join(sorted(expected))}")
    approvals = sum(vote["choice"] == "approve" for vote in page["votes"])
    if page["verdict"] == "pending" and approvals != asked.most_answered(by_choice["approve"]):
        found.append(f"{approvals} approvals count, {asked.most_answered(by_choice['approve'])} could")
    return [f"{planned.id}: {text}; {planned.policy}, {planned.choices}" for text in found]


async def _ended(world: ApprovalWorld, release: _Release) -> list[str]:
    """Cancel what still waits, and look at how every workflow ended."""
    if (await world.get(f"/releases/{release.id}"))["finished_at"] is None:
        await world.ask(REQUESTER, "POST", f"/releases/{release.id}/cancel", {"reason": "the storm is over"})
    found = [text for one in release.planned for text in await end_disagreements(world, one.id)]
    deployments = [str(split_approval_id(one.id)[0]) for one in release.planned]
    return [*found, *await world.failed_tasks(release.id, deployments)]
