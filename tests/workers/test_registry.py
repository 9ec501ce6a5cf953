"""What is decorated is registered, and what is registered loads in the sandbox."""

import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import Any

import pytest
from temporalio import workflow

import activities
import workflows
from activities.agent_job import AgentJob
from activities.agents import Agents
from activities.changes import Changes
from activities.notifications import Notifications
from activities.pinning import Pinning
from activities.records import Records
from activities.triggers import Triggers
from workers.registry import WORKFLOWS, release_activities
from workers.sandbox import shared, strict


class Nothing(Any):
    """Stands where a port is wanted and not used."""


def modules(package: ModuleType) -> list[ModuleType]:
    return [importlib.import_module(f"{package.__name__}.{m.name}") for m in pkgutil.iter_modules(package.__path__)]


def decorated_activities() -> set[str]:
    found = set()
    for module in modules(activities):
        for _, cls in inspect.getmembers(module, inspect.isclass):
            for name, method in inspect.getmembers(cls, inspect.isfunction):
                if hasattr(method, "__temporal_activity_definition"):
                    found.add(name)
    return found


def test_every_workflow_is_registered() -> None:
    """A workflow that is defined and not registered would never run."""
    defined = {
        cls
        for module in modules(workflows)
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if hasattr(cls, "__temporal_workflow_definition")
    }
    assert set(WORKFLOWS) == defined


def test_every_activity_is_registered_once() -> None:
    """The release worker and the agents together run every activity there is."""
    on_agents = {name for name, m in inspect.getmembers(AgentJob) if hasattr(m, "__temporal_activity_definition")}
    release_worker = release_activities(
        Records(Nothing()),
        Pinning(Nothing(), Nothing(), Nothing()),
        Agents(Nothing()),
        Notifications(*[Nothing()] * 4),
        Changes(Nothing(), Nothing()),
        Triggers(Nothing(), Nothing()),
    )
    on_release_worker = [method.__name__ for method in release_worker]
    assert len(on_release_worker) == len(set(on_release_worker))
    assert decorated_activities() == on_agents | set(on_release_worker)


@pytest.mark.parametrize("runner", [shared(), strict()], ids=["shared", "strict"])
@pytest.mark.parametrize("defined", WORKFLOWS)
async def test_every_workflow_loads_in_the_sandbox(defined: type, runner: object) -> None:
    """A bad import in a workflow module fails here, without a server."""
    definition = workflow._Definition.from_class(defined)
    assert definition is not None
    runner.prepare_workflow(definition)  # type: ignore[attr-defined]
