"""What a fresh local installation is filled with: connections, a secret, people, pipelines and a first release."""

from pathlib import Path

from local import demo_trigger
from local.api_client import ApiClient
from local.programs import url
from local.state_folder import Memory

RELEASER = "rita@example.com"
APPROVER = "ana@example.com"
ADMIN = "admin@example.com"
PIPELINE = "webshop"

ROLES = {RELEASER: "releaser", APPROVER: "approver", ADMIN: "admin"}
_TOKEN_DAYS = 365
_HERE = Path(__file__).parent


def examples_folder() -> Path:
    """The example pipelines: beside this package when it is installed, in the checkout otherwise."""
    packed = _HERE / "examples"
    return packed if packed.is_dir() else _HERE.parent / "examples"


async def fill(api: ApiClient, memory: Memory) -> Memory:
    """Bring the demo in; safe to do again. Returns the memory with the people's tokens."""
    await _connect(api, memory)
    await api.put("/secrets/webshop/db", {"value": "correct-horse-battery-staple"})
    await api.put(f"/people/{RELEASER}", {"name": demo_trigger.AUTHOR})
    await api.put("/groups/ops", {"members": [APPROVER, "otto@example.com"]})
    for file in sorted(examples_folder().glob("*.yaml")):
        await api.post_yaml("/pipelines", file.read_text("utf-8"))
    people = memory.people or {person: await _token(api, person, role) for person, role in ROLES.items()}
    secret = memory.hook_secret or await demo_trigger.make_hook(api)
    filled = memory.model_copy(update={"people": people, "hook_secret": secret})
    await demo_trigger.arm(api, filled, PIPELINE)
    return filled


async def _connect(api: ApiClient, memory: Memory) -> None:
    """The addresses may change from one start to the next, as ports do."""
    jenkins = {"kind": "jenkins", "url": url(memory.ports["jenkins"]), "user": "slipway", "token": "stand-in"}
    azure = {"kind": "azure-pipelines", "url": f"{url(memory.ports['azure'])}/contoso", "user": "", "token": "stand-in"}
    await api.put("/connections/ci", jenkins)
    await api.put("/connections/contoso", azure)


async def _token(api: ApiClient, person: str, role: str) -> str:
    body = {"name": f"local {role}", "subject": person, "role": role, "days": _TOKEN_DAYS}
    return str((await api.post("/tokens", body))["value"])


async def release(memory: Memory, *, key: str, description: str) -> str:
    """Make a release of the demo pipeline as its releaser; the same key makes none a second time."""
    async with ApiClient(memory.api_url, memory.people[RELEASER]) as api:
        body = {"pipeline": PIPELINE, "description": description}
        return str((await api.post("/releases", body, headers={"Idempotency-Key": key}))["id"])
