"""What a build of Jenkins is given: the parameters of its step, with what the step finds filled in, as data."""

import re
from collections.abc import Mapping

from domain.refusal import Refusal

RUN_PARAMETER = "SLIPWAY_RUN"  # a job that declares it is told which run of a step its build belongs to
_PLACE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_.]*)\)")


class UnknownVariable(Refusal):
    """A parameter names a variable that the step does not find."""


def filled_in(parameters: Mapping[str, str], found: Mapping[str, str]) -> dict[str, str]:
    """With what each ``$(NAME)`` stands for; a value that holds such a place itself stays as it is.

    ``found`` is by environment name, so ``$(Shop.Region)`` is what ``SHOP_REGION`` says. Raises UnknownVariable.
    """
    return {name: _filled(name, text, found) for name, text in parameters.items()}


def _filled(parameter: str, text: str, found: Mapping[str, str]) -> str:
    def value(place: re.Match[str]) -> str:
        for spelt in (place[1], re.sub(r"\W", "_", place[1]).upper()):
            if spelt in found:
                return found[spelt]
        raise UnknownVariable(
            f"the parameter {parameter} names $({place[1]}), which this step does not find; "
            "a secret has to stand under secrets"
        )

    return _PLACE.sub(value, text)
