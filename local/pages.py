"""The little web pages on which people see what a stand-in holds."""

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.responses import HTMLResponse

_TEMPLATES = Environment(
    loader=PackageLoader("local"), autoescape=select_autoescape(), undefined=StrictUndefined, trim_blocks=True
)


def page(template: str, **values: object) -> HTMLResponse:
    """The named template of ``local/templates`` as an answer."""
    return HTMLResponse(_TEMPLATES.get_template(template).render(**values))
