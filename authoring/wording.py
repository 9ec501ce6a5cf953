"""The words for each kind of mistake; nothing of pydantic's own vocabulary reaches an author."""

from pydantic_core import ErrorDetails

from authoring.expectations import Way, describe
from authoring.problem import shown
from domain.approval_policy import APPROVER_PATTERN
from domain.business_hours import CLOCK_PATTERN, TIME_ZONE_PATTERN
from domain.ids import SLUG_PATTERN
from domain.pipeline import (
    ABSOLUTE_PATH_PATTERN,
    DEMAND_PATTERN,
    ENVIRONMENT_NAME_PATTERN,
    HREF_PATTERN,
    PARAMETER_NAME_PATTERN,
    REPOSITORY_PATTERN,
    SHA256_PATTERN,
    STEP_ID_PATTERN,
    STORAGE_URL_PATTERN,
    VARIABLE_NAME_PATTERN,
)

PATTERNS = {
    SLUG_PATTERN: "must be 1 to 63 letters, digits, dots, dashes and underscores, the first a letter or digit",
    VARIABLE_NAME_PATTERN: "must be letters, digits, underscores and dots (at most 128), the first no digit or dot",
    ENVIRONMENT_NAME_PATTERN: "must be letters, digits and underscores (at most 128), the first no digit",
    PARAMETER_NAME_PATTERN: "must be the name of a parameter: one line of at most 200 characters",
    STEP_ID_PATTERN: "must be letters, digits and underscores (at most 63), the first no digit",
    DEMAND_PATTERN: "must be a capability such as docker, one with its value such as os=linux, a version at least "
    "such as python3>=3.10, or what the agent must not have such as !gpu",
    CLOCK_PATTERN: "must be a time of day such as 08:00",
    TIME_ZONE_PATTERN: "must be a time zone such as Europe/Berlin",
    APPROVER_PATTERN: "must be a mail address such as ana@example.com, or a group such as group:ops",
    HREF_PATTERN: "must be an http:// or https:// address without user name or password in it",
    SHA256_PATTERN: "must be a SHA-256 as 64 lower-case hexadecimal digits",
    ABSOLUTE_PATH_PATTERN: 'must be an absolute path: begin with "/"',
    STORAGE_URL_PATTERN: "must be s3://, az:// or gs://, a bucket, and perhaps a prefix, such as s3://builds/webshop",
    REPOSITORY_PATTERN: "must be an owner and a repository, such as contoso/webshop",
}
_ABOUT_KIND = ("_type", "_parsing", "enum", "literal_error", "_from_float")
_FIXED = {
    "missing": "is required",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "string_too_long": "must be at most {max_length} characters",
    "too_long": "must hold at most {max_length}, not {actual_length}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}


def is_about_kind(error: str) -> bool:
    """Whether the value is of the wrong kind altogether, rather than out of bounds."""
    return error.endswith(_ABOUT_KIND)


def words_for(error: ErrorDetails, way: Way) -> str:
    """What is wrong, as a sentence without its subject: the path names that."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in {"enum", "literal_error"}:
        return f"must be one of {describe(way.expected).replace(' or ', ', ')}"
    if is_about_kind(kind):
        return f"must be {describe(way.expected)}, not {_what_it_is(error['input'])}" + _in_quotes(error)
    if kind == "string_pattern_mismatch":
        return PATTERNS.get(context["pattern"], f"must look like {context['pattern']}")
    if kind in _FIXED:
        return _FIXED[kind].format(**context)
    return str(context.get("error", error["msg"]))


def _what_it_is(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return "a number" if isinstance(value, int | float) else f"the text {shown(value)}"


def _in_quotes(error: ErrorDetails) -> str:
    value = error["input"]
    is_plain = isinstance(value, int | float) and error["type"] == "string_type"
    if not is_plain:
        return ""
    written = str(value).lower() if isinstance(value, bool) else str(value)
    return f'; put it in quotes: "{written}"'
