"""Where a visitor may be sent, and whose requests are believed."""

import pytest
from starlette.requests import Request

from phalanx.dashboard._session import local_path, require_same_origin
from phalanx.trust import NotAuthenticated


@pytest.mark.parametrize("path", ["/", "/trace/0190", "/trace/x?y=1"])
def test_pages_of_this_node_are_local(path):
    assert local_path(path) == path


@pytest.mark.parametrize(
    "path", ["", "https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/\t/evil.example"]
)
def test_everything_else_leads_to_the_first_page(path):
    assert local_path(path) == "/"


def posted(**headers):
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/login", "headers": raw})


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "same-origin"},
        {"host": "node:8470", "origin": "http://node:8470"},
    ],
)
def test_requests_of_our_own_pages_are_believed(headers):
    require_same_origin(posted(**headers))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": "node:8470"},
        {"host": "node:8470", "origin": "null"},
        {"host": "node:8470", "origin": "http://evil.example"},
        {"host": "node:8470", "origin": "http://node:8471"},
        {"sec_fetch_site": "cross-site", "host": "node:8470", "origin": "http://node:8470"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "none"},
    ],
)
def test_requests_that_another_site_may_have_caused_are_not(headers):
    with pytest.raises(NotAuthenticated):
        require_same_origin(posted(**headers))
