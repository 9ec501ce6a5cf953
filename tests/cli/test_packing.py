"""What cannot run here (containers) at least agrees with what can."""

import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from cli.main import app
from settings import AgentSettings, Settings

ROOT = Path(__file__).parents[2]
COMPOSE = YAML(typ="safe").load((ROOT / "docker-compose.yml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if service["image"].startswith("slipway")}


def test_the_image_gets_everything_that_is_packed() -> None:
    """A folder that the wheel wants and .dockerignore drops would break the build."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    wanted = {*wheel["only-include"], "pyproject.toml", "uv.lock", "README.md", "LICENSE"}
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert wanted == allowed
    assert [] == [name for name in wanted if not (ROOT / name).exists()]


@pytest.mark.parametrize("name", OURS)
def test_services_run_commands_that_exist(name: str) -> None:
    """Each of our services is a command of the command line."""
    [command] = OURS[name]["command"]
    assert command in [found.callback.__name__ for found in app.registered_commands]


@pytest.mark.parametrize("name", OURS)
def test_services_set_settings_that_exist(name: str) -> None:
    """A misspelt variable would be silently ignored."""
    fields = AgentSettings.model_fields if name == "agent" else Settings.model_fields
    known = {f"SLIPWAY_{field.upper()}" for field in fields}
    assert set() == set(OURS[name]["environment"]) - known


def test_every_variable_of_the_compose_file_is_in_the_example() -> None:
    """`cp .env.example .env` shows all there is to fill in."""
    text = (ROOT / "docker-compose.yml").read_text()
    used = {part.split(":")[0].split("}")[0] for part in text.split("${")[1:]}
    given = {line.split("=")[0] for line in (ROOT / ".env.example").read_text().splitlines() if line[:1].isalpha()}
    assert used == given
