"""Places over the API, and what a node makes of them."""

import hashlib

import pytest

from phalanx.trust import Role

LINES = (
    b"<38>Oct 09 08:00:00 gate sshd[1]: Accepted password for anna from 8.1.1.1 port 22 ssh2\n"
    b"<38>Oct 09 09:00:00 gate sshd[1]: Accepted password for anna from 11.1.1.1 port 22 ssh2\n"
)
TABLE = (
    b"network,latitude,longitude,radius_km,name\n"
    b"8.1.0.0/16,59.3,18.1,20,Stockholm\n11.1.0.0/16,1.3,103.8,20,Far\nx,,,,\n"
)


@pytest.mark.requirement("INT-2")
def test_a_table_of_places_is_loaded_shown_and_asked(on_node):
    async def work(api):
        assert (await api.http.get("/v1/places")).status_code == 404
        digest = hashlib.sha256(TABLE).hexdigest()
        viewer = await api.token(Role.VIEWER)
        for part, parts, headers, status in ((0, 1, viewer, 403), (3, 2, None, 422)):
            asked = f"/v1/places?digest={digest}&part={part}&parts={parts}"
            assert (await api.http.post(asked, content=TABLE, headers=headers)).status_code == status
        done = (await api.http.post(f"/v1/places?digest={digest}", content=TABLE)).raise_for_status().json()
        assert (done["in_use"], done["networks"], done["located"], done["refused"]) == (True, 2, 2, 1)
        assert done["told"][0]["line"] == 4
        shown = (await api.http.get("/v1/places", headers=viewer)).raise_for_status().json()
        assert shown["digest"] == digest
        at = (await api.http.get("/v1/places/at?address=8.1.9.9")).raise_for_status().json()
        assert (at["known"], at["name"], at["network"]) == (True, "Stockholm", "8.1.9.0/24")
        assert (await api.http.get("/v1/places/at?address=nowhere")).status_code == 422

    on_node(work)


@pytest.mark.requirement("INT-2")
def test_a_node_that_knows_places_finds_who_is_in_two_of_them(on_node):
    async def work(api):
        (
            await api.http.post(f"/v1/places?digest={hashlib.sha256(TABLE).hexdigest()}", content=TABLE)
        ).raise_for_status()
        taken = await api.http.post("/v1/events", content=LINES, headers={"Content-Type": "text/plain"})
        taken.raise_for_status()
        await api.node.settled()
        found = (await api.http.get("/v1/findings")).raise_for_status().json()["items"]
        (finding,) = [one for one in found if one["rule"] == "impossible-travel"]
        assert {"type": "user", "value": "anna"} in finding["entities"]
        assert len(finding["evidence"]) == 2
        assert "Stockholm" in finding["explanation"]

    on_node(work)
