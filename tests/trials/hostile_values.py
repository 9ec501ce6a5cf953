"""Values that somebody might take for code: they arrive in the step's environment byte for byte, and nothing runs."""

import base64
import json
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fakes.installation import Installation
from trials.verdict import Verdict

_A_RELEASE = 500
_REFUSED = 422
_JSON = "application/json"
# Characters that a pipeline file must not hold are left out: control characters and the byte order mark.
_PARTS = (
    *("'", '"', "`", "\\", "\n", "\r\n", "\t", " ", "$", "${", "}", "$(", ")", "`touch {trap}`", "$(touch {trap})"),
    *(
        ";",
        "&&",
        "||",
        "|",
        ">",
        "<",
        "&",
        "#",
        "!",
        "*",
        "?",
        "~",
        "%s",
        "%n",
        "{{",
        "}}",
        "[[",
        "=",
        "--",
        "-rf",
        "@",
    ),
    *("; touch {trap};", "\n touch {trap}\n", "'; touch {trap} #", '"; touch {trap} #', "${IFS}", "$((1+1))", "../.."),
    *("##vso[task.setvariable variable=PATH]/", "$(Release.ReleaseName)", "${{ variables.x }}"),
    *("é", "漢", "\u202e", "\u2028", "🦄", "ß", "\u0130", "a" * 200, "0", "null", "true", "-"),
)
_TELL = """
import base64, json, os
told = {os.fsdecode(name): base64.b64encode(value).decode() for name, value in os.environb.items()}
print(json.dumps(told))
"""


async def run(seed: int, values: int) -> Verdict:
    """So many values, 500 in a release."""
    with tempfile.TemporaryDirectory() as folder, Installation(Path(folder) / "slipway") as slipway:
        return strike(slipway, seed, values)


def strike(slipway: Installation, seed: int, values: int) -> Verdict:
    """The trial in an installation that runs."""
    slipway.agent("target", pool="target")
    rng = random.Random(seed)
    trap = slipway.folder / "trap"
    violations: list[str] = []
    for first in range(0, values, _A_RELEASE):
        count = min(_A_RELEASE, values - first)
        made = {f"HOSTILE_{number}": value for number, value in enumerate(_values(rng, trap, count))}
        violations += _arrive(slipway, f"hostile-{seed}-{first}", made)
    violations += _nul(slipway, f"hostile-{seed}-nul")
    if trap.exists():
        violations.append("a value was run")
    return Verdict(
        trial="hostile_values",
        seed=seed,
        counts={"values": values},
        fired={"values": values},
        violations=tuple(violations),
    )


def _values(rng: random.Random, trap: Path, count: int) -> Iterator[str]:
    """Each part alone first, then several in a row."""
    for number in range(count):
        parts = [_PARTS[number]] if number < len(_PARTS) else rng.choices(_PARTS, k=rng.randint(2, 6))
        yield "".join(parts).replace("{trap}", str(trap))


def _arrive(slipway: Installation, name: str, values: dict[str, str]) -> list[str]:
    """A third each as variables of the pipeline, of the release, and of the step."""
    thirds = [dict(list(values.items())[place::3]) for place in range(3)]
    step = {"run": _TELL, "shell": "python", "environment": thirds[2]}
    jobs = [{"job": "deploy", "pool": "target", "steps": [step]}]
    variables = {variable: {"value": value} for variable, value in thirds[0].items()}
    settable = {variable: {"value": "", "settable": True} for variable in thirds[1]}
    definition = {"pipeline": name, "variables": variables | settable, "stages": [{"stage": "test", "jobs": jobs}]}
    # Unicode's own line breaks may stand in a pipeline file as escapes only.
    slipway.ok("POST", "/api/v1/pipelines", content=json.dumps(definition), headers={"content-type": _JSON})
    release = slipway.release(name, variables=thirds[1])
    view = slipway.ended(release)
    if view["status"] != "succeeded":
        return [f"{release} {view['status']}"]
    told = json.loads(slipway.step_log(f"{release}/test/1/deploy/1/1"))
    arrived = {variable: base64.b64decode(value) for variable, value in told.items()}
    return [
        f"{variable}: {value!r} arrived as {arrived.get(variable)!r}"
        for variable, value in values.items()
        if arrived.get(variable) != value.encode()
    ]


def _nul(slipway: Installation, name: str) -> list[str]:
    """No environment can hold it, so it is refused wherever a value is given."""
    jobs = [{"job": "deploy", "pool": "target", "steps": [{"run": "true", "environment": {"A": "a\0b"}}]}]
    stage = {"stage": "test", "jobs": jobs}
    clean = {"stage": "test", "jobs": [{"job": "deploy", "pool": "target", "steps": [{"run": "true"}]}]}
    slipway.apply({"pipeline": name, "variables": {"A": {"value": "", "settable": True}}, "stages": [clean]})
    asked = {
        "a step's environment": ("POST", "/api/v1/pipelines", {"pipeline": f"{name}-1", "stages": [stage]}),
        "a pipeline's variable": (
            "POST",
            "/api/v1/pipelines",
            {"pipeline": f"{name}-2", "variables": {"A": {"value": "a\0b"}}, "stages": [clean]},
        ),
        "a release's variable": ("POST", "/api/v1/releases", {"pipeline": name, "variables": {"A": "a\0b"}}),
        "a secret": ("PUT", f"/api/v1/secrets/{name}", {"value": "a\0b"}),
    }
    return [
        f"NUL in {what} was answered {status}"
        for what, (method, path, body) in asked.items()
        if (status := slipway.http.request(method, path, json=body).status_code) != _REFUSED
    ]
