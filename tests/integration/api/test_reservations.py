"""Bookings over the API: own ones only, together, in time, and as often as they are sent."""

import pytest

from phalanx.trust import Role

S = 10**9


@pytest.mark.requirement("QRM-3", "QRM-9")
def test_a_device_and_workers_are_booked_together_and_kept_from_others(on_node):
    async def work(api):
        http, now = api.http, api.node.clock.wall_ns()
        known = {one["name"] for one in (await http.get("/v1/reservations/resources")).json()["items"]}
        assert {"local.statevector", "workers"} <= known
        pairs = {"name": "pairs", "capacity": 2, "expires_ns": now + 5 * S, "kind": "entanglement"}
        (await http.post("/v1/reservations/resources", json=pairs)).raise_for_status()
        ask = {"demands": {"local.statevector": 1, "workers": 1}, "duration_ns": 10 * S, "earliest_ns": now}
        made = (await http.post("/v1/reservations?id=mine", json=ask)).raise_for_status().json()["items"]
        again = (await http.post("/v1/reservations?id=mine", json=ask)).raise_for_status().json()["items"]
        assert made == again
        other = await api.token(Role.OPERATOR, "somebody else")
        second = (await http.post("/v1/reservations", json=ask, headers=other)).json()["items"][0]
        assert second["start_ns"] == made[0]["end_ns"]
        assert [one["id"] for one in (await http.get("/v1/reservations")).json()["items"]] == ["mine"]
        assert (await http.post("/v1/reservations/mine/cancel", headers=other)).status_code == 404
        late = {"demands": {"pairs": 1}, "duration_ns": 6 * S, "earliest_ns": now}
        refused = await http.post("/v1/reservations", json=late)
        assert refused.status_code == 503
        assert refused.json()["type"].endswith("unavailable")
        held = ask | {"demands": {"pairs": 1}, "duration_ns": S, "hold_until_ns": now + 4 * S}
        (await http.post("/v1/reservations?id=held", json=held)).raise_for_status()
        assert (await http.post("/v1/reservations/held/confirm")).json()["state"] == "booked"
        assert (await http.post("/v1/reservations/mine/cancel")).json()["state"] == "cancelled"
        viewer = await api.token(Role.VIEWER, "a viewer")
        assert (await http.post("/v1/reservations", json=ask, headers=viewer)).status_code == 403
        assert (await http.post("/v1/reservations", content=b"{")).status_code == 422

    on_node(work)
