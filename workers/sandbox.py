"""The two sandboxes workflows run in.

``shared()`` is for production: our modules are loaded once for all runs, which makes a waiting release four times
smaller. ``strict()`` is for replaying recorded histories: only libraries are shared, so the sandbox audits our own
code and a ``datetime.now()`` in the domain fails the run. What is passed through is not audited.
"""

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import StorageDriverStoreContext
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import Info

_LIBRARIES = ("pydantic", "pydantic_core", "annotated_types", "typing_inspection", "typing_extensions")
_OURS = ("domain", "activities", "workflows")
_NO_STORE = StorageDriverStoreContext(target=None)


def shared() -> SandboxedWorkflowRunner:
    """Libraries and our own modules are shared between runs."""
    return _runner(*_LIBRARIES, *_OURS)


def strict() -> SandboxedWorkflowRunner:
    """Only libraries are shared between runs."""
    return _runner(*_LIBRARIES)


def _runner(*modules: str) -> SandboxedWorkflowRunner:
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*modules)
    return _Runner(restrictions=restrictions)


class _Runner(SandboxedWorkflowRunner):
    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        return _ContextFree(super().create_instance(det))


class _ContextFree(WorkflowInstance):
    """Our data converter takes no context, so the sandbox is not entered for every payload to ask for one.

    That was a quarter of what a worker did in Python.
    """

    def __init__(self, sandboxed: WorkflowInstance) -> None:
        self._sandboxed = sandboxed

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        return self._sandboxed.activate(act)

    def get_info(self) -> Info:
        return self._sandboxed.get_info()

    def get_thread_id(self) -> int | None:
        return self._sandboxed.get_thread_id()

    def get_serialization_context(self, command_info: object) -> None:
        """None is for payloads that are converted alike wherever they belong to."""

    def get_external_store_context(self, command_info: object) -> StorageDriverStoreContext:  # noqa: ARG002  as asked
        """Nor are payloads kept anywhere but in the history."""
        return _NO_STORE
