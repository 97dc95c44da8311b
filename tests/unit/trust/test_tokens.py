import pytest

from phalanx.core import DEFAULT_TENANT, InvalidInput, LimitExceeded, NotFound, TenantId
from phalanx.testing import SimWorld
from phalanx.trust import TOKENS, NotAuthenticated, Principal, Role, Tokens
from phalanx.trust import _tokens as module

pytestmark = pytest.mark.requirement("API-3")

OTHER = TenantId("other")


def run(main, seed=1):
    async def in_world(world):
        store = world.store("disk")
        return await main(world, Tokens(store, world.entropy, world.clock), store)

    return SimWorld(seed).run(in_world)


async def refused(call, reason):
    with pytest.raises(NotAuthenticated, match=reason):
        await call


def test_a_token_opens_what_it_was_made_for():
    async def main(world, tokens, store):
        issued = await tokens.issue(OTHER, "sensor 7", Role.INGEST)
        assert issued.secret.startswith("phx_")
        assert len(issued.secret) == 47
        principal = await tokens.authenticate(issued.secret)
        assert principal == Principal("sensor 7", OTHER, Role.INGEST, issued.record.id)
        assert (await tokens.list(OTHER)) == [issued.record]
        assert await tokens.list(DEFAULT_TENANT) == []

    run(main)


def test_the_secret_is_stored_nowhere():
    async def main(world, tokens, store):
        issued = await tokens.issue(DEFAULT_TENANT, "a", Role.ADMIN)
        (row,) = await store.scan(TOKENS, DEFAULT_TENANT)
        secret = issued.secret.removeprefix("phx_")
        for place in (row.key, row.value.decode("latin-1"), issued.record.id, repr(issued.record)):
            assert secret not in place

    run(main)


def test_secrets_differ():
    async def main(world, tokens, store):
        issued = [await tokens.issue(DEFAULT_TENANT, "same name", Role.VIEWER) for _ in range(20)]
        assert len({one.secret for one in issued}) == len({one.record.id for one in issued}) == 20

    run(main)


@pytest.mark.parametrize("change", [lambda s: s[:-1], lambda s: s + "A", lambda s: s.swapcase(), lambda s: s[4:]])
def test_almost_the_secret_is_not_enough(change):
    async def main(world, tokens, store):
        issued = await tokens.issue(DEFAULT_TENANT, "a", Role.ADMIN)
        await refused(tokens.authenticate(change(issued.secret)), "the token is not valid")

    run(main)


@pytest.mark.parametrize(
    "secret", ["", "phx_", "Bearer phx_x", "phx_" + "x" * 10_000, "phx_\ud800", "phx_é", "phx_\x00"]
)
def test_nonsense_is_refused_like_a_wrong_secret(secret):
    run(lambda world, tokens, store: refused(tokens.authenticate(secret), "the token is not valid"))


def test_a_row_found_by_half_the_hash_is_not_enough():
    """The id is the first half of the hash; a row whose other half differs does not authenticate."""

    async def main(world, tokens, store):
        issued = await tokens.issue(DEFAULT_TENANT, "a", Role.ADMIN)
        forged = module.msgspec.structs.replace(
            issued.record, secret_sha256=issued.record.secret_sha256[:32] + "0" * 32
        )
        await store.commit([module._put(forged)])
        await refused(tokens.authenticate(issued.secret), "the token is not valid")

    run(main)


def test_a_revoked_token_is_refused_from_then_on():
    async def main(world, tokens, store):
        issued = await tokens.issue(DEFAULT_TENANT, "a", Role.ADMIN)
        revoked = await tokens.revoke(issued.record.id)
        assert issued.record.at_ns < revoked.revoked_at_ns <= world.clock.wall_ns()
        await refused(tokens.authenticate(issued.secret), "was revoked")
        assert await tokens.revoke(issued.record.id) == revoked
        assert await tokens.list(DEFAULT_TENANT) == [revoked]
        with pytest.raises(NotFound):
            await tokens.revoke("nobody")

    run(main)


def test_another_process_can_revoke():
    async def main(world, tokens, store):
        issued = await tokens.issue(DEFAULT_TENANT, "a", Role.ADMIN)
        await Tokens(store, world.entropy, world.clock).revoke(issued.record.id)
        await refused(tokens.authenticate(issued.secret), "was revoked")

    run(main)


def test_a_tenant_cannot_revoke_anothers_token():
    async def main(world, tokens, store):
        issued = await tokens.issue(OTHER, "a", Role.ADMIN)
        with pytest.raises(NotFound):
            await tokens.revoke(issued.record.id, tenant=DEFAULT_TENANT)
        await tokens.authenticate(issued.secret)
        await tokens.revoke(issued.record.id, tenant=OTHER)
        await refused(tokens.authenticate(issued.secret), "was revoked")

    run(main)


def test_a_token_expires_when_it_says():
    async def main(world, tokens, store):
        issued = await tokens.issue(DEFAULT_TENANT, "a", Role.VIEWER, expires_in_s=60)
        await world.clock.sleep(59)
        await tokens.authenticate(issued.secret)
        await world.clock.sleep(1.1)
        await refused(tokens.authenticate(issued.secret), "has expired")

    run(main)


@pytest.mark.parametrize(
    ("name", "expires_in_s"),
    [("", None), ("x" * 129, None), ("a\nb", None)]
    + [("a", life_s) for life_s in (0, -1, 1e12, float("inf"), float("nan"))],
)
def test_a_token_that_makes_no_sense_is_not_issued(name, expires_in_s):
    async def main(world, tokens, store):
        with pytest.raises(InvalidInput):
            await tokens.issue(DEFAULT_TENANT, name, Role.VIEWER, expires_in_s=expires_in_s)
        assert await tokens.list(DEFAULT_TENANT) == []

    run(main)


@pytest.mark.parametrize("tenant", ["", "x" * 129, "a\x1bb"])
def test_a_token_is_for_a_tenant_that_has_a_name(tenant):
    async def main(world, tokens, store):
        with pytest.raises(InvalidInput, match="tenant"):
            await tokens.issue(TenantId(tenant), "a", Role.VIEWER)

    run(main)


def test_tokens_are_bounded_per_tenant(monkeypatch):
    monkeypatch.setattr(module, "MAX_TOKENS", 3)

    async def main(world, tokens, store):
        for number in range(3):
            await tokens.issue(DEFAULT_TENANT, str(number), Role.VIEWER)
        with pytest.raises(LimitExceeded):
            await tokens.issue(DEFAULT_TENANT, "one more", Role.VIEWER)
        await tokens.issue(OTHER, "theirs", Role.VIEWER)
        assert [record.name for record in await tokens.list(DEFAULT_TENANT)] == ["0", "1", "2"]

    run(main)


def test_the_first_token_is_made_once():
    async def main(world, tokens, store):
        first = await tokens.bootstrap()
        principal = await tokens.authenticate(first.secret)
        assert (principal.tenant, principal.role) == (DEFAULT_TENANT, Role.ADMIN)
        assert await tokens.bootstrap() is None
        await tokens.revoke(first.record.id)
        assert await tokens.bootstrap() is None

    run(main)


def test_no_first_token_beside_another():
    async def main(world, tokens, store):
        await tokens.issue(OTHER, "a", Role.VIEWER)
        assert await tokens.bootstrap() is None

    run(main)
