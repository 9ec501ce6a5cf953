"""``python -m authoring FILE...``: check pipeline files, or print their JSON Schema."""

import argparse
import json
import sys
from pathlib import Path

from authoring.document import LARGEST_FILE
from authoring.json_schema import pipeline_schema
from authoring.loading import load
from authoring.problem import BrokenPipeline, Problem

BROKEN = 2
_EXAMPLE = """\
example:
  python -m authoring pipeline.yaml        check one file
  python -m authoring - < pipeline.yaml    check what comes in
  python -m authoring --schema             the JSON Schema, for your editor

exit status: 0 all files are pipelines, 2 some are not or cannot be read
"""


def main(arguments: list[str] | None = None) -> int:
    """Check the files and return the exit status."""
    asked = _parser().parse_args(arguments)
    if asked.schema:
        _say(json.dumps(pipeline_schema(), indent=2))
        return 0
    checked = [_check(file) for file in asked.files]
    if asked.json:
        _say(json.dumps([problem.model_dump() for _, problems in checked for problem in problems], indent=2))
    else:
        for line, problems in checked:
            _say("\n".join(str(problem) for problem in problems) or line)
    return BROKEN if any(problems for _, problems in checked) else 0


def _check(file: str) -> tuple[str, tuple[Problem, ...]]:
    """A line that says the file is right, or what is wrong with it."""
    try:
        pipeline = load(_read(file), file)
    except BrokenPipeline as broken:
        return "", broken.problems
    except UnicodeDecodeError:
        return "", (_unreadable(file, "the file is not UTF-8 text"),)
    except OSError as error:
        return "", (_unreadable(file, f"cannot be read: {error.strerror}"),)
    count = len(pipeline.stages)
    return f"ok: {file} pipeline {pipeline.pipeline}, {count} stage{'s' if count > 1 else ''}", ()


def _read(file: str) -> str:
    """The text, or its beginning when it is larger than can be loaded anyway."""
    if file == "-":
        raw = sys.stdin.buffer.read(LARGEST_FILE + 1)
    else:
        with Path(file).open("rb") as opened:
            raw = opened.read(LARGEST_FILE + 1)
    return raw.decode(errors="strict" if len(raw) <= LARGEST_FILE else "replace")


def _unreadable(file: str, message: str) -> Problem:
    return Problem(file=file, line=1, column=1, path="", message=message)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m authoring",
        description="Check pipeline files: every problem with its line, column and path, one a line.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("files", nargs="*", default=[], metavar="FILE", help='a pipeline file, or "-" for standard input')
    what.add_argument("--schema", action="store_true", help="print the JSON Schema of pipeline files and exit")
    parser.add_argument("--json", action="store_true", help="print the problems as a JSON list")
    return parser


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
