"""The HTTP API of a node: events in, everything that followed out, live and paged.

``create_app(node)`` gives an ASGI application. It speaks JSON, answers every error with a problem document,
describes itself at ``/openapi.json``, and holds no state of its own.

Errors::

    PhalanxError
    └── UnsupportedMedia    a body's media type or encoding is not understood
"""

from phalanx.api._app import create_app
from phalanx.api._problems import PROBLEM_TYPES, Problem, ProblemType, UnsupportedMedia

__all__ = ["PROBLEM_TYPES", "Problem", "ProblemType", "UnsupportedMedia", "create_app"]
