"""What the YAML parser complains of, in the words of somebody who writes a pipeline."""

from ruamel.yaml.error import MarkedYAMLError

# Looked up in what the parser says; what is not found passes through in the parser's own words.
_WORDS = (
    ("character '\\t'", "a tab stands where the indentation is; indent with spaces"),
    ("cannot start any token", "{character} cannot start a value; put the value in quotes"),
    (
        "mapping values are not allowed",
        'a ": " stands where none can be; put the text in quotes, or check the indentation',
    ),
    ("could not find expected ':'", 'a key without ": " after it, or a value that needs quotes'),
    ("unexpected end of stream", "the quotes that open here are never closed"),
    ("unexpected document separator", "the quotes that open here are never closed"),
    ("unknown escape character", 'a backslash in double quotes starts an escape; use single quotes, or write "\\\\"'),
    ("but got '<stream end>'", "the bracket that opens here is never closed"),
    ("expected ',' or", "a comma or a closing bracket is missing before this"),
    ("but found '<scalar>'", "text stands where a key should; check the quotes and the indentation"),
    ("sequence entries are not allowed", 'a "- " stands where no list can begin; start the list on a line of its own'),
    ("expected <block end>", "the indentation does not fit what stands above it"),
    ("did not find expected", "the indentation does not fit what stands above it"),
)
_POINTS_AT_OPENING = ("end of stream", "document separator", "<stream end>")


def in_plain_words(error: MarkedYAMLError) -> str:
    """The complaint as a sentence for people; the parser's own where we have none."""
    said = error.problem or error.context or "this is no YAML"
    for fragment, words in _WORDS:
        if fragment in said:
            return words.format(character=said.split("'")[1]) if "{character}" in words else words
    return f"this is no YAML: {said}"


def position(error: MarkedYAMLError) -> tuple[int, int]:
    """Line and column of the complaint, counted from 1: of what was opened when that is the trouble."""
    is_about_opening = any(fragment in (error.problem or "") for fragment in _POINTS_AT_OPENING)
    mark = (error.context_mark if is_about_opening else None) or error.problem_mark or error.context_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)
