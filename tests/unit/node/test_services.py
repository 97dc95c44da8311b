"""How services are doing: what is said of one that cannot work for a while."""

from phalanx.node._services import Services
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld


class Nobody:
    """Is told of alerts, and does nothing."""

    def alert(self, level, source, text, **more):
        del level, source, text, more


def test_a_service_that_is_checked_is_not_well_before_it_works_however_often_it_is_started_again():
    async def main(world):
        there = False

        async def keep(seen):
            while True:
                await world.clock.sleep(1.0)
                if not there:
                    raise OSError("away")
                seen()

        async def always(expected):
            for _ in range(300):
                await world.clock.sleep(0.25)
                health = services.health()["calendar"]
                assert health.ok is expected, (world.loop.time(), health)

        services = Services(world.clock, Telemetry(world.clock), Nobody())
        services.start_checked("calendar", keep, works=False)
        assert services.health()["calendar"].detail == "has not worked yet"
        await always(False)
        there = True
        await world.clock.sleep(32.0)
        await always(True)
        assert services.health()["calendar"].detail == "running, restarted after: OSError: away"
        there = False
        await world.clock.sleep(2.0)
        await always(False)
        await services.stop()

    SimWorld(1).run(main)
