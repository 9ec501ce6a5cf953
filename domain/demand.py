"""One demand of a job: what it asks of an agent's capabilities, and how it is spelt in the name of a task queue.

docker            has it, whatever its value
os=linux          has it with this value
python3>=3.10     has it in this version or a later one; 3.10 is later than 3.9
!gpu              does not have it
!os=windows       does not have it with this value
"""

import re
from collections.abc import Mapping

_AT_LEAST = ">="
_NOT = "!"
# "24", "v1.31.0", "1.1.1w", "27.3.1-rc1"; not "24abc", which is some name.
_VERSION = re.compile(r"v?([0-9]+(?:\.[0-9]+)+|[0-9]+(?![0-9A-Za-z.]))", re.IGNORECASE)


def is_met(demand: str, capabilities: Mapping[str, str]) -> bool:
    """Whether capabilities satisfy the demand; both in lower case. A value must be named to be compared."""
    if is_refusal(demand):
        wanted = refused(demand)
        return not wanted.endswith("=") and not is_met(wanted, capabilities)
    name, at_least, version = demand.partition(_AT_LEAST)
    if at_least:
        return is_at_least(capabilities.get(name, ""), version)
    name, equals, value = demand.partition("=")
    return bool(value) and capabilities.get(name) == value if equals else name in capabilities


def is_at_least(have: str, wanted: str) -> bool:
    """Whether one version is not earlier than the other, by the numbers both begin with; no version never is."""
    found, asked = _numbers(have), _numbers(wanted)
    return found is not None and asked is not None and found >= asked


def in_queue_name(demand: str) -> str:
    """Its spelling in a task queue's name, which is part of addresses in Temporal Web UI.

    No name or value has a tilde, so no two demands are spelt alike.
    """
    spelt = refused(demand).replace(_AT_LEAST, "=from~")
    return f"not~{spelt}" if is_refusal(demand) else spelt


def is_refusal(demand: str) -> bool:
    """Whether it names what the agent must not have."""
    return demand.startswith(_NOT)


def refused(demand: str) -> str:
    """What it names, without the mark that the agent must not have it."""
    return demand.removeprefix(_NOT)


def shortfall(demand: str, capabilities: Mapping[str, str]) -> str:
    """The demand as what an agent lacks; of a version also the one it has: ``docker>=24 (it has 20.10.7)``."""
    name, _, version = demand.partition(_AT_LEAST)
    if not version or name not in capabilities:
        return demand
    return f"{demand} (it has {capabilities[name] or 'no known version'})"


def _numbers(version: str) -> tuple[int, ...] | None:
    found = _VERSION.match(version)
    if found is None:
        return None
    numbers = [int(number) for number in found[1].split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()  # 1.10 and 1.10.0 are one version
    return tuple(numbers)
