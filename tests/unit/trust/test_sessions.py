import pytest

from phalanx.core import DEFAULT_TENANT, Overloaded
from phalanx.testing import SimWorld
from phalanx.trust import NotAuthenticated, Principal, Role, Tokens
from phalanx.trust import _sessions as module
from phalanx.trust._limits import LOGIN_CODE_LIFETIME_S, SESSION_LIFETIME_S

pytestmark = pytest.mark.requirement("API-3")

OPERATOR = Principal("local operator", DEFAULT_TENANT, Role.ADMIN)


def run(main):
    async def in_world(world):
        return await main(world, Tokens(world.store("disk"), world.entropy, world.clock))

    return SimWorld(1).run(in_world)


def test_a_code_opens_one_session():
    async def main(world, tokens):
        code = tokens.login_code(OPERATOR)
        session = tokens.redeem(code)
        assert session != code
        assert await tokens.session(session) == OPERATOR
        with pytest.raises(NotAuthenticated, match="was used"):
            tokens.redeem(code)
        for wrong in (code, "", "nonsense", session[:-1], "\ud800"):
            with pytest.raises(NotAuthenticated):
                await tokens.session(wrong)

    run(main)


def test_a_code_is_good_for_a_short_time():
    async def main(world, tokens):
        code, other = tokens.login_code(OPERATOR), tokens.login_code(OPERATOR)
        await world.clock.sleep(LOGIN_CODE_LIFETIME_S - 1)
        tokens.redeem(code)
        await world.clock.sleep(2)
        with pytest.raises(NotAuthenticated):
            tokens.redeem(other)

    run(main)


def test_a_session_ends_in_time_or_by_hand():
    async def main(world, tokens):
        early, late = (tokens.redeem(tokens.login_code(OPERATOR)) for _ in range(2))
        tokens.end_session(early)
        tokens.end_session(early)
        with pytest.raises(NotAuthenticated, match="no such session"):
            await tokens.session(early)
        await world.clock.sleep(SESSION_LIFETIME_S - 1)
        assert await tokens.session(late) == OPERATOR
        await world.clock.sleep(2)
        with pytest.raises(NotAuthenticated, match="expired"):
            await tokens.session(late)

    run(main)


def test_a_session_ends_with_its_token():
    async def main(world, tokens):
        issued = await tokens.issue(DEFAULT_TENANT, "a", Role.VIEWER, expires_in_s=100)
        other = await tokens.issue(DEFAULT_TENANT, "b", Role.VIEWER)
        session = tokens.redeem(tokens.login_code(await tokens.authenticate(issued.secret)))
        others = tokens.redeem(tokens.login_code(await tokens.authenticate(other.secret)))
        assert (await tokens.session(session)).name == "a"
        await tokens.revoke(other.record.id)
        with pytest.raises(NotAuthenticated, match="revoked"):
            await tokens.session(others)
        await world.clock.sleep(101)
        with pytest.raises(NotAuthenticated, match="expired"):
            await tokens.session(session)

    run(main)


def test_codes_and_sessions_are_bounded(monkeypatch):
    monkeypatch.setattr(module, "MAX_LOGIN_CODES", 2)
    monkeypatch.setattr(module, "MAX_SESSIONS", 2)

    async def main(world, tokens):
        tokens.login_code(OPERATOR)
        spare = tokens.login_code(OPERATOR)
        with pytest.raises(Overloaded):
            tokens.login_code(OPERATOR)
        oldest = tokens.redeem(spare)
        sessions = [tokens.redeem(tokens.login_code(OPERATOR)) for _ in range(2)]
        with pytest.raises(NotAuthenticated):
            await tokens.session(oldest)
        assert [await tokens.session(session) for session in sessions] == [OPERATOR, OPERATOR]
        await world.clock.sleep(LOGIN_CODE_LIFETIME_S + 1)
        assert [tokens.login_code(OPERATOR) for _ in range(2)]

    run(main)


def test_secrets_are_not_kept_in_memory():
    async def main(world, tokens):
        code = tokens.login_code(OPERATOR)
        session = tokens.redeem(tokens.login_code(OPERATOR))
        kept = repr(tokens._sessions.__dict__)
        assert code not in kept
        assert session not in kept

    run(main)
