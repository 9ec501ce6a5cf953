"""The manual interventions of one deployment: ask, wait, go on. What a decision does is decided in ``domain``."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from temporalio import workflow

from activities.records import Event, Fact, StepFact
from domain.frozen import Frozen
from domain.ids import DeploymentId
from domain.intervention import (
    Cause,
    Decision,
    DecisionReceipt,
    Intervention,
    ReceiptKind,
    Remedy,
    decide,
    describe,
    end,
)
from workflows.recording import Recorder
from workflows.stopping import Stop
from workflows.telling import Telling


class DecideIntervention(Frozen):
    """Signal: how the job is to go on after this run of a step."""

    run_id: str
    decision: Decision


class DecisionQuery(Frozen):
    """Query: what became of this person's decision."""

    run_id: str
    decision_id: str
    by: str


class Interventions:
    """``stands`` gives the facts of a deployment that waits for this sentence, or goes on: for no sentence."""

    def __init__(
        self,
        deployment: DeploymentId,
        recorder: Recorder,
        stop: Stop,
        stands: Callable[[str], tuple[Fact, ...]],
        telling: Telling,
    ) -> None:
        self._deployment = deployment
        self._recorder = recorder
        self._stop = stop
        self._stands = stands
        self._telling = telling
        self._asked: dict[str, Intervention] = {}
        self._receipts: dict[tuple[str, str, str], DecisionReceipt] = {}

    def decide(self, message: DecideIntervention) -> None:
        """What counted keeps its receipt."""
        decision = message.decision
        asked = self._asked.get(message.run_id)
        if asked is None:
            text = f"Nobody is asked about {message.run_id} at the moment."
            told = DecisionReceipt(decision_id=decision.decision_id, kind=ReceiptKind.NOT_OPEN, message=text)
        else:
            self._asked[message.run_id], told = decide(asked, decision, workflow.now())
        key = (message.run_id, decision.decision_id, decision.by)
        if told.kind == ReceiptKind.ALREADY_COUNTED:
            self._receipts.setdefault(key, told)
        else:
            self._receipts[key] = told

    def receipt(self, query: DecisionQuery) -> DecisionReceipt | None:
        return self._receipts.get((query.run_id, query.decision_id, query.by))

    async def ask(self, run: StepFact, asked: Intervention) -> Remedy:
        """Ask about a run that has ended, and wait. Nobody decided in time, or a stop was asked for: fail."""
        self._asked[run.run_id] = asked
        self._telling.tell(run, asked)
        waiting = self._stands(f"a decision about {run.title}, {_how_it_ended(run, asked)}")
        await self._recorder.record(
            *waiting, run.model_copy(update={"intervention": asked}), self._event(asked.question, "")
        )
        left = max(asked.expires_at - workflow.now(), timedelta(0))
        summary = f"{self._deployment.stage}: nobody decided about {run.title}"[:200]
        with suppress(TimeoutError):
            await self._stop.wait(lambda: not self._asked[run.run_id].is_open, within=left, summary=summary)
        ended = self._asked[run.run_id] = end(self._asked[run.run_id], workflow.now())
        by = ended.decision.by if ended.decision else ""
        await self._recorder.record(
            *self._stands(""),
            run.model_copy(update={"intervention": ended}),
            self._event(f"{run.title}: {describe(ended)}", by),
        )
        return ended.remedy

    def _event(self, text: str, by: str) -> Event:
        release, deployment = str(self._deployment.release), str(self._deployment)
        return Event(release=release, deployment=deployment, text=f"{self._deployment.stage}: {text}", by=by)


def _how_it_ended(run: StepFact, asked: Intervention) -> str:
    return "whose outcome is unknown" if asked.cause == Cause.UNKNOWN_OUTCOME else f"which {run.status}"
