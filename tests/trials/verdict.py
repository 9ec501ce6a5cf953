"""What a trial came to."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Verdict:
    """How often each thing was done, and everything that should not have been.

    A count of 0 under ``fired`` is a fault that was never put in: the trial has shown nothing about it.
    """

    trial: str
    seed: int
    counts: dict[str, int] = field(default_factory=dict)
    fired: dict[str, int] = field(default_factory=dict)
    violations: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every fault fired and nothing was violated."""
        return not self.violations and all(self.fired.values())
