from phalanx.core import AlertLevel, AlertSink
from phalanx.telemetry import Alerts, Level, Telemetry
from phalanx.telemetry._limits import MAX_RECENT_ALERTS


def test_an_alert_is_logged_counted_and_kept(clock):
    records = []
    telemetry = Telemetry(clock, log_sink=records.append)
    alerts = Alerts(telemetry)
    sink: AlertSink = alerts
    sink.alert(AlertLevel.NOTICE, "node", "plug-in loaded", plugin="x")
    clock.advance(1)
    sink.alert(AlertLevel.WARNING, "intel", "backlog grows", events=3, event="e", room_name="r")
    sink.alert(AlertLevel.URGENT, "ledger", "tampered")
    assert [record.level for record in records] == [Level.INFO, Level.WARNING, Level.ERROR]
    assert records[1].fields == {"events": 3, "event": "e", "room_name": "r", "alert": "warning", "room": "intel"}
    newest, *_, oldest = alerts.recent()
    assert (newest.text, newest.room, newest.level) == ("tampered", "ledger", AlertLevel.URGENT)
    assert (oldest.text, oldest.context) == ("plug-in loaded", {"plugin": "x"})
    assert newest.at_ns - oldest.at_ns == 1_000_000_000
    counter = telemetry.metrics.counter("phalanx_alerts_total", "", ("level", "room"))
    assert counter.labels("urgent", "ledger").value == 1
    assert counter.value == 3


def test_only_the_recent_alerts_are_kept(clock):
    alerts = Alerts(Telemetry(clock))
    for n in range(MAX_RECENT_ALERTS + 1):
        alerts.alert(AlertLevel.NOTICE, "node", str(n))
    kept = alerts.recent()
    assert (len(kept), kept[0].text, kept[-1].text) == (MAX_RECENT_ALERTS, str(MAX_RECENT_ALERTS), "1")
    assert [alert.text for alert in alerts.recent(2)] == [str(MAX_RECENT_ALERTS), str(MAX_RECENT_ALERTS - 1)]
