"""Run a node inside your own program and follow one event from intake to ledger.

    python examples/follow_an_event.py

Uses a temporary folder and nothing else: no server, no network. The quantum step runs on the
local simulator, and its result says so.
"""

import asyncio
import json
import tempfile

from phalanx.core import DEFAULT_TENANT, iso_from_ns
from phalanx.node import build_node, load_settings, open_ports

# A Sysmon process creation as Windows event shippers send it: Word starts an encoded PowerShell.
EVENT = {
    "EventID": 1,
    "Channel": "Microsoft-Windows-Sysmon/Operational",
    "Hostname": "ws-042.corp.example",
    "UtcTime": "2026-03-02 09:14:07.113",
    "Image": "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe",
    "CommandLine": "powershell.exe -NoP -W Hidden -EncodedCommand SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoAZQBjAHQAKQA=",
    "ParentImage": "C:\\Program Files\\Microsoft Office\\root\\Office16\\WINWORD.EXE",
    "User": "CORP\\j.doe",
}


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(flags={"node.data_dir": folder}).settings
        async with open_ports(settings) as ports, build_node(settings, ports) as node:
            accepted = await node.intake.accept(json.dumps(EVENT).encode(), tenant=DEFAULT_TENANT)
            print(f"accepted {accepted.events} event, durable on disk")
            await node.settled()

            for finding in await node.findings.list(DEFAULT_TENANT):
                print(f"\n{finding.title} (severity {finding.severity.name.lower()}, {', '.join(finding.techniques)})")
                for waypoint in await node.story(DEFAULT_TENANT, finding.trace):
                    print(f"  {iso_from_ns(waypoint.at_ns)[11:23]}  {waypoint.room:<10} {waypoint.summary}")

            report = await node.ledger.verify()
            print(f"\nledger: {report.size} entries recomputed and verified")


if __name__ == "__main__":
    asyncio.run(main())
