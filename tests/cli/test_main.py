"""The command line as a whole: help, misuse, and what it may load."""

import shlex
import subprocess
import sys
from itertools import takewhile

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from cli.main import app


def commands() -> list[list[str]]:
    """Every command, as it is typed."""
    found = [[command.name or command.callback.__name__] for command in app.registered_commands]
    for group in app.registered_groups:
        found += [[group.name, c.name or c.callback.__name__] for c in group.typer_instance.registered_commands]
    return [command for command in found if command != ["up"]]


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_explains_itself_with_an_example(command: list[str]) -> None:
    """Help says what a command does, and shows it in use."""
    result = CliRunner().invoke(app, [*command, "--help"])
    assert 0 == result.exit_code
    assert "Examples:\n  " in result.stdout.replace("\n    ", "\n  ")
    assert "slipway" in result.stdout.partition("Examples:")[2]


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_example_is_understood(command: list[str]) -> None:
    """What help shows can be typed as it stands: no example is misuse."""
    found = get_command(app)
    for name in command:
        found = found.commands[name]
    shown = CliRunner().invoke(app, [*command, "--help"]).stdout.partition("Examples:")[2]
    for line in filter(str.strip, shown.splitlines()):
        words = _words(line)
        begin = words.index(command[0]) + len(command)
        assert command == words[begin - len(command) : begin]
        found.make_context(" ".join(command), list(takewhile(lambda word: word not in {"<", ">", ")"}, words[begin:])))


def _words(line: str) -> list[str]:
    """A line for the shell, in which brackets and the like are words of their own."""
    reading = shlex.shlex(line, posix=True, punctuation_chars=True)
    reading.whitespace_split = True
    return list(reading)


def test_a_typo_is_answered_with_the_right_word() -> None:
    """An unknown command is misuse, and the nearest one is named."""
    result = CliRunner().invoke(app, ["relase", "list"])
    assert 2 == result.exit_code
    assert "Did you mean 'release'?" in result.stderr


def test_an_absent_server_is_told_in_a_sentence(unused_url: str) -> None:
    """No traceback, the address, what to do, exit code 4."""
    result = CliRunner().invoke(app, ["--api", unused_url, "release", "list"])
    assert 4 == result.exit_code
    assert f"cannot reach Slipway at {unused_url}" in result.stderr
    assert "slipway up" in result.stderr


def test_help_loads_no_http_client_and_no_server() -> None:
    """What help does not need is not loaded: it must appear at once."""
    code = (
        "import sys; from cli.main import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'httpx2._client', 'pydantic', 'temporalio', 'sqlalchemy', 'fastapi', 'email.message'}\n"
        "print('LOADED', sorted(heavy & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "LOADED []" == shown.stdout.splitlines()[-1]


def test_validation_needs_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is done by the authoring program itself, whose words and exit code are the command's own."""
    started = []
    monkeypatch.setattr("cli.processes.os.execv", lambda _, words: started.append(words[1:]))
    CliRunner().invoke(app, ["pipeline", "validate", "a.yaml", "b.yaml"])
    assert [["-m", "authoring", "a.yaml", "b.yaml"]] == started


def test_the_installation_is_started_with_all_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Options of the other program reach it untouched."""
    started = []
    monkeypatch.setattr("cli.processes.os.execv", lambda program, words: started.append((program, words)))
    CliRunner().invoke(app, ["up", "--some-option", "value"])
    assert [(sys.executable, [sys.executable, "-m", "local.up", "--some-option", "value"])] == started


@pytest.mark.parametrize(
    ("command", "module"), [("api", "api"), ("worker", "workers.release"), ("agent", "workers.agent")]
)
def test_processes_take_their_settings_from_the_environment(
    command: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An option would be ignored by them, so it is refused here."""
    started = []
    monkeypatch.setattr("cli.processes.os.execv", lambda _, words: started.append(words[1:]))
    assert 2 == CliRunner().invoke(app, [command, "--some-option"]).exit_code
    assert 0 == CliRunner().invoke(app, [command]).exit_code
    assert [["-m", module]] == started
