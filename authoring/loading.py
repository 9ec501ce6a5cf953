"""Load a pipeline file: the pipeline, or everything that is wrong with it at once."""

from pydantic import ValidationError

from authoring.complaint import Complaint, close_to, complaints
from authoring.document import read
from authoring.problem import BrokenPipeline, Problem, spell
from authoring.salvage import rules_broken_by_the_rest, validate
from authoring.time_zones import unknown_time_zones
from authoring.tree import Node, data, place, place_of_key
from domain.pipeline import Pipeline
from domain.pipeline_rules import BrokenRule, broken_rules
from domain.trigger_rules import broken_trigger_rules

MOST_PROBLEMS = 100
# A release carries its pipeline through Temporal, which takes 2 MiB in one piece.
LARGEST_DEFINITION = 1024 * 1024


def load(text: str, file: str) -> Pipeline:
    """Read YAML (or JSON of the same shape); ``file`` is how problems name it. Raises BrokenPipeline.

    Takes up to some seconds of computing for the largest files that are allowed: call it in a thread.
    """
    root, problems = read(text, file)
    pipeline, found = _checked(root)
    problems += [_problem(file, root, complaint) for complaint in found[:MOST_PROBLEMS]]
    if pipeline is None or problems:
        raise BrokenPipeline(tuple(sorted(problems, key=lambda one: (one.line, one.column))[:MOST_PROBLEMS]))
    return pipeline


def _checked(root: Node) -> tuple[Pipeline | None, list[Complaint]]:
    written = data(root)
    if not isinstance(written, dict):
        return None, [Complaint((), "a pipeline is a mapping that begins with a key such as pipeline:")]
    try:
        pipeline = validate(written)
    except ValidationError as broken:
        found = complaints(broken, written)
        rules = rules_broken_by_the_rest(written, [complaint.path for complaint in found])
        return None, found + [_of_rule(rule) for rule in rules]
    rules = [*broken_rules(pipeline), *broken_trigger_rules(pipeline), *unknown_time_zones(pipeline)]
    return pipeline, [_of_rule(rule) for rule in rules] or _too_large(pipeline)


def _of_rule(rule: BrokenRule) -> Complaint:
    suggestion = close_to(rule.wrong, rule.known) if rule.wrong else None
    return Complaint(rule.path, rule.message, suggestion)


def _too_large(pipeline: Pipeline) -> list[Complaint]:
    if len(pipeline.model_dump_json()) <= LARGEST_DEFINITION:
        return []
    return [
        Complaint((), f"the pipeline is larger than {LARGEST_DEFINITION // 1024} KiB with all its defaults filled in")
    ]


def _problem(file: str, root: Node, complaint: Complaint) -> Problem:
    mark = (place_of_key if complaint.is_key else place)(root, complaint.path)
    return Problem(
        file=file,
        line=mark.line,
        column=mark.column,
        path=spell(complaint.path),
        message=complaint.message,
        suggestion=complaint.suggestion,
    )
