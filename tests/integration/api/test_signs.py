"""Signs of attacks on cryptography over the API."""

import json

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from phalanx.intel.signs import CanaryKey
from phalanx.trust import Role


@pytest.mark.requirement("INT-7")
def test_an_answered_canary_is_checked_and_a_finding(on_node):
    private = rsa.generate_private_key(65_537, 1_024)
    key = CanaryKey(1_024, private.public_key().public_numbers().n)
    signature = private.sign(key.challenge("acme"), padding.PKCS1v15(), hashes.SHA256())
    sign = {"sign": "canary-answered", "modulus": f"{key.modulus:x}", "of": "acme", "proof": signature.hex()}

    async def work(api):
        async def told(body, **more):
            return await api.http.post("/v1/signs", content=msgspec.json.encode(body), **more)

        assert (await told(sign, headers=await api.token(Role.VIEWER))).status_code == 403
        for wrong in ({"of": "other"}, {"proof": "00"}, {"sign": "roca"}, {"modulus": 5}):
            assert (await told(sign | wrong)).status_code == 422
        taken = (await told(sign)).raise_for_status().json()
        assert taken["beyond_published"]
        assert taken["key"] == key.name
        (await told(sign)).raise_for_status()
        await api.node.settled()
        found = (await api.http.get("/v1/findings")).raise_for_status().json()["items"]
        (finding,) = [one for one in found if one["rule"] == "crypto-sign-confirmed"]
        assert key.name in finding["explanation"]
        assert finding["hits"] == 2, "one finding, however often it is told"

    on_node(work)


def lines(*rows):
    return "\n".join(json.dumps(row) for row in rows).encode()


@pytest.mark.requirement("INT-7")
def test_harvesting_is_found_in_flows_and_proposes_a_migration_once_a_person_says_it_is_right(on_node):
    ends = {"id.orig_h": "10.0.0.5", "id.resp_h": "198.51.100.9", "id.resp_p": 443}
    shakes = lines(
        {"_path": "ssl", "ts": 1_767_000_000.0, **ends, "version": "TLSv13", "curve": "X25519MLKEM768"},
        {
            "_path": "ssl",
            "ts": 1_767_000_001.0,
            **ends,
            "id.orig_h": "10.0.0.6",
            "version": "TLSv12",
            "curve": "x25519",
        },
    )
    mirrored = lines(*(
        {"_path": "conn", "ts": 1_767_000_010.0 + at, "id.orig_h": "10.0.0.254", "id.resp_h": "203.0.113.66",
         "id.resp_p": 4789, "proto": "udp", "orig_bytes": 6_000_000, "resp_bytes": 0, "conn_state": "S0"}
        for at in range(3)
    ))  # fmt: skip

    async def work(api):
        async def get(path):
            await api.node.settled()
            return (await api.http.get(path)).raise_for_status().json()["items"]

        for body in (shakes, mirrored):
            (
                await api.http.post("/v1/events", content=body, headers={"Content-Type": "application/x-ndjson"})
            ).raise_for_status()
        (finding,) = [one for one in await get("/v1/findings") if one["rule"] == "traffic-mirrored-outward"]
        assert "1 pair protected by a hybrid group, not readable later: 10.0.0.5 with" in finding["explanation"]
        assert {"type": "ip", "value": "203.0.113.66"} in finding["entities"]
        assert len(finding["evidence"]) >= 2
        before = await get("/v1/decisions")
        assert not [one for one in before if one["authority"] == "migration-v1"], "a pattern proposes nothing"
        said = f"/v1/findings/{finding['id']}/opinions"
        for verdict in ("false", "true", "true"):
            body = json.dumps({"verdict": verdict, "reason": "a tap"}).encode()
            answer = await api.http.post(said, content=body)
            assert answer.status_code == 200, answer.text
        (confirmed,) = [one for one in await get("/v1/findings") if one["rule"] == "traffic-copying-confirmed"]
        assert confirmed["hits"] == 1
        assert confirmed["techniques"] == ["T1020.001"], "of the pattern, not of broken keys"
        assert "traffic-mirrored-outward" in confirmed["explanation"]
        (decision,) = [one for one in await get("/v1/decisions") if one["authority"] == "migration-v1"]
        assert decision["outcome"] == "refused"

    on_node(work)
