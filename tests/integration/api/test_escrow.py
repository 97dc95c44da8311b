"""An escrow over the API of a running node, by the commands' own client; the node records and can open nothing."""

import asyncio
import base64

import pytest

from phalanx.adapters import OsEntropy, SystemClock
from phalanx.cli._client import NodeClient, Refused
from phalanx.cli.keys._escrow_desk import RemoteEscrows
from phalanx.core import DEFAULT_TENANT, TenantId, encode_json
from phalanx.crypto import PublicKey
from phalanx.crypto.sharing import Keyholder, begin_ceremony, make_escrow, reconstruct, release_share
from phalanx.trust import Role

pytestmark = pytest.mark.requirement("CRY-2")

PEOPLE = {name: Keyholder.generate(name) for name in ("ada", "bob", "cho", "maker", "opener")}
SECRET = b"what must not be lost"


class InProcess(NodeClient):
    """The commands' client with its requests carried to the node in this process, from another thread."""

    def __init__(self, api, headers=None):
        super().__init__("http://node", "")
        self._api, self._loop, self._headers = api, asyncio.get_running_loop(), headers or {}

    def _ask(self, method, path, *, params, content=None, headers=None, timeout_s=30):
        call = self._api.http.request(
            method, path, params=params, content=content, headers={**(headers or {}), **self._headers}
        )
        answer = asyncio.run_coroutine_threadsafe(call, self._loop).result(timeout_s)
        if answer.is_success:
            return answer.json()
        raise Refused(answer.json()["detail"], code=answer.json()["code"])


async def elsewhere(work):
    """Runs a coroutine function on a loop of its own in a thread, as a command does."""
    return await asyncio.to_thread(lambda: asyncio.run(work()))


async def made(api, client, number=1, tenant=DEFAULT_TENANT):
    registrar, _ = await asyncio.to_thread(RemoteEscrows(client).registrar)
    return make_escrow(
        SECRET, escrow_id=f"00000000-0000-7000-8000-{number:012x}", tenant=tenant, at_ns=SystemClock().wall_ns(),
        label="a test", threshold=2, custodians=[PEOPLE[name].card for name in ("ada", "bob", "cho")],
        registrar=registrar, maker=PEOPLE["maker"], entropy=OsEntropy(),
    )  # fmt: skip


def asked(escrow, number=9):
    return begin_ceremony(
        escrow, PEOPLE["opener"], ceremony_id=f"00000000-0000-7000-8000-{number:012x}", purpose="a drill",
        now_ns=SystemClock().wall_ns(), lasts_s=3_600,
    )  # fmt: skip


def test_a_ceremony_over_the_api(on_node):
    async def work(api):
        client = InProcess(api, await api.token(Role.OPERATOR))
        escrows = RemoteEscrows(client)
        escrow = await made(api, client)

        async def steps():
            await escrows.add(escrow)
            assert await escrows.kept(DEFAULT_TENANT) == [escrow]
            ceremony = await escrows.begin(asked(escrow))
            ceremony.verify_registration(escrow)
            now_ns = SystemClock().wall_ns()
            await escrows.submit(release_share(escrow, ceremony, PEOPLE["bob"], now_ns=now_ns))
            with pytest.raises(Refused) as short:
                await escrows.collect(DEFAULT_TENANT, ceremony.id)
            assert short.value.code == "not-enough-shares"
            await escrows.submit(release_share(escrow, ceremony, PEOPLE["cho"], now_ns=now_ns))
            found = await escrows.collect(DEFAULT_TENANT, ceremony.id)
            opened = reconstruct(escrow, ceremony, found, PEOPLE["opener"], now_ns=now_ns)
            assert opened.secret == SECRET
            await escrows.close(DEFAULT_TENANT, ceremony.id, opened=True, lying=opened.lying)
            (status,) = await escrows.status(DEFAULT_TENANT, escrow.id)
            assert (status.ceremony, status.state, status.released) == (ceremony, "opened", ("bob", "cho"))
            with pytest.raises(Refused) as over:
                await escrows.collect(DEFAULT_TENANT, ceremony.id)
            assert over.value.code == "ceremony-closed"

        await elsewhere(steps)
        entries = [one.entry for one in await api.node.ledger.entries(-1, 20)]
        assert [(one.actor, one.action) for one in entries if one.action.startswith("escrow")] == [
            ("maker", "escrow-made"),
            ("opener", "escrow-ceremony-begun"),
            ("bob", "escrow-share-released"),
            ("cho", "escrow-share-released"),
            ("a operator", "escrow-shares-collected"),  # nobody signed these two: they are the token's
            ("a operator", "escrow-opened"),
        ]

    on_node(work)


def test_what_does_not_belong_is_refused_by_name(on_node):
    async def work(api):
        client = InProcess(api)
        escrow = await made(api, client)
        foreign = await made(api, client, 2, TenantId("other"))
        viewer = await api.token(Role.VIEWER)

        async def posted(path, document, headers=None):
            answer = await api.http.post(path, content=encode_json(document), headers=headers)
            return answer.status_code, answer.json()["code"]

        assert await posted("/v1/escrows", escrow, viewer) == (403, "not-allowed")
        assert await posted("/v1/escrows", foreign) == (422, "invalid-input")
        assert await posted("/v1/escrows", {"kind": "escrow"}) == (422, "wire")
        forged = encode_json(escrow).replace(b'"a test"', b'"a best"')
        answer = await api.http.post("/v1/escrows", content=forged)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")
        assert await posted("/v1/ceremonies", asked(escrow)) == (404, "not-found")
        await api.node.escrows.add(escrow)
        ceremony = await api.node.escrows.begin(asked(escrow))
        release = release_share(escrow, ceremony, PEOPLE["ada"], now_ns=SystemClock().wall_ns())
        assert (await api.http.post("/v1/releases", content=encode_json(release))).status_code == 201
        assert (await api.http.post("/v1/releases", content=encode_json(release))).status_code == 201
        twin = release_share(escrow, ceremony, PEOPLE["ada"], now_ns=SystemClock().wall_ns())
        assert await posted("/v1/releases", twin) == (422, "release-refused")
        outcome = f"/v1/ceremonies/{ceremony.id}/outcome"
        assert await posted(outcome, {"opened": "maybe"}) == (422, "invalid-input")
        other = await api.token(Role.ADMIN, TenantId("other"))
        assert (await api.http.get("/v1/escrows", headers=other)).json()["items"] == []
        hidden = await api.http.get(f"/v1/escrows/{escrow.id}/ceremonies", headers=other)
        assert hidden.status_code == 404
        told = (await api.http.get("/v1/escrows/registrar")).json()
        assert PublicKey.from_bytes(base64.b64decode(told["public_key"])) == api.node.ledger.public_key

    on_node(work)
