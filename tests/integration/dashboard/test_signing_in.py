"""Into the dashboard and out again."""

import pytest

from phalanx.trust import SESSION_COOKIE, Role


@pytest.mark.requirement("API-3")
def test_a_token_opens_a_session_that_leads_back_to_where_one_wanted_to_be(on_pages):
    async def work(visit):
        refused = await visit.http.get("/trace/0190")
        assert (refused.status_code, refused.headers["location"]) == (303, "/login?next=%2Ftrace%2F0190")
        form = await visit.http.get(refused.headers["location"])
        assert 'value="/trace/0190"' in form.text
        answer = await visit.submit("/login", token=await visit.token(), next="/trace/0190")
        assert (answer.status_code, answer.headers["location"]) == (303, "/trace/0190")
        cookie = answer.headers["set-cookie"].lower()
        assert cookie.startswith(SESSION_COOKIE)
        assert all(part in cookie for part in ("httponly", "samesite=strict", "path=/", "max-age="))
        assert "secure" not in cookie
        assert (await visit.http.get("/")).status_code == 200

    on_pages(work)


def test_over_tls_the_cookie_is_for_tls_alone(on_pages):
    async def work(visit):
        token = await visit.token()
        headers = {"Origin": "https://node"}
        answer = await visit.http.post("https://node/login", data={"token": token}, headers=headers)
        assert "secure" in answer.headers["set-cookie"].lower()

    on_pages(work)


def test_a_login_link_is_spent_by_its_button_and_not_by_being_looked_at(on_pages):
    async def work(visit):
        code = visit.node.tokens.login_code(visit.node.local_operator)
        for _ in range(2):
            page = await visit.http.get("/login", params={"code": code})
            assert f'value="{code}"' in page.text
            assert "set-cookie" not in page.headers
        assert (await visit.submit("/login", code=code)).status_code == 303
        assert (await visit.http.get("/")).status_code == 200
        assert (await visit.submit("/login", code=code)).status_code == 401

    on_pages(work)


def test_signing_out_ends_the_session_on_the_node(on_pages):
    async def work(visit):
        await visit.sign_in()
        session = visit.http.cookies[SESSION_COOKIE]
        assert (await visit.submit("/logout")).headers["location"] == "/login"
        assert SESSION_COOKIE not in visit.http.cookies
        visit.http.cookies.set(SESSION_COOKIE, session)
        assert (await visit.http.get("/")).status_code == 303

    on_pages(work)


def test_a_wrong_token_is_refused_and_not_repeated(on_pages):
    async def work(visit):
        answer = await visit.submit("/login", token="phx_wrong", next="//evil.example")
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
        assert "phx_wrong" not in answer.text
        assert "evil.example" not in answer.text
        assert 'role="alert"' in answer.text

    on_pages(work)


def test_another_site_cannot_sign_a_visitor_in_or_out(on_pages):
    async def work(visit):
        token = await visit.token()
        for headers in (
            {"Origin": "http://evil.example"},
            {"Sec-Fetch-Site": "cross-site", "Origin": "http://node"},
            {},
        ):
            answer = await visit.http.post("/login", data={"token": token}, headers=headers)
            assert answer.status_code == 403
            assert "set-cookie" not in answer.headers
        await visit.sign_in()
        assert (await visit.http.post("/logout", headers={"Origin": "http://evil.example"})).status_code == 403
        assert (await visit.http.get("/")).status_code == 200

    on_pages(work)


def test_a_sensor_may_not_look(on_pages):
    async def work(visit):
        await visit.sign_in(Role.INGEST)
        answer = await visit.http.get("/")
        assert answer.status_code == 403
        assert "Not allowed" in answer.text
        assert (await visit.http.get("/ways")).status_code == 403

    on_pages(work)


def test_a_form_of_any_size_is_not_read(on_pages):
    async def work(visit):
        answer = await visit.submit("/login", token="x" * 100_000)
        assert answer.status_code == 413

    on_pages(work)


def test_the_question_that_was_asked_is_still_asked_after_signing_in(on_pages):
    async def work(visit):
        refused = await visit.http.get("/search?query=host:web-1&after=")
        assert refused.headers["location"] == "/login?next=%2Fsearch%3Fquery%3Dhost%3Aweb-1%26after%3D"
        form = await visit.http.get(refused.headers["location"])
        assert 'value="/search?query=host:web-1&amp;after="' in form.text
        answer = await visit.submit("/login", token=await visit.token(), next="/search?query=host:web-1&after=")
        assert answer.headers["location"] == "/search?query=host:web-1&after="

    on_pages(work)
