"""Builds the generated pages. One module per page; a page is a function from the repository to text.

Nothing here reads the clock, the network or the environment: the same code gives the same pages.
"""

from docgen._api import api_page, openapi_document
from docgen._cli import cli_page
from docgen._errors import errors_page
from docgen._markdown import Builder, difference
from docgen._metrics import metrics_page
from docgen._requirements import requirements_page
from docgen._settings import settings_page

PAGES: dict[str, Builder] = {
    "docs/reference/cli.md": cli_page,
    "docs/reference/settings.md": settings_page,
    "docs/reference/api.md": api_page,
    "docs/reference/openapi.json": openapi_document,
    "docs/reference/errors.md": errors_page,
    "docs/reference/metrics.md": metrics_page,
    "docs/requirements.md": requirements_page,
}

__all__ = ["PAGES", "Builder", "difference"]
