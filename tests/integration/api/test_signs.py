"""Signs of attacks on cryptography over the API."""

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
