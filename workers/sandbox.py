"""The two sandboxes workflows run in.

``shared()`` is for production: our modules are loaded once for all runs, which makes a waiting release four times
smaller. ``strict()`` is for replaying recorded histories: only libraries are shared, so the sandbox audits our own
code and a ``datetime.now()`` in the domain fails the run. What is passed through is not audited.
"""

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

_LIBRARIES = ("pydantic", "pydantic_core", "annotated_types", "typing_inspection", "typing_extensions")
_OURS = ("domain", "activities", "workflows")


def shared() -> SandboxedWorkflowRunner:
    """Libraries and our own modules are shared between runs."""
    return _runner(*_LIBRARIES, *_OURS)


def strict() -> SandboxedWorkflowRunner:
    """Only libraries are shared between runs."""
    return _runner(*_LIBRARIES)


def _runner(*modules: str) -> SandboxedWorkflowRunner:
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*modules)
    return SandboxedWorkflowRunner(restrictions=restrictions)
