"""What the maker's own SDK makes of a server: a program of its own process, since it has all warnings shown.

Given the server's address, a project, credentials and the id of a batch, it reads that batch and sends its sequence
once more, through the SDK's backend for real machines; it writes what it read of both.
"""

import json
import sys

from pasqal_cloud import PasqalCloudConnection
from pasqal_cloud.endpoints import AUTH_CONFIG, Endpoints
from pulser import QPUBackend, Sequence
from pulser_simulation import QutipEmulator

url, project, user, password, batch_id = sys.argv[1:]
auth = AUTH_CONFIG["fr-prod"]
auth.token_endpoint = f"{url}/oauth/token"
connection = PasqalCloudConnection(
    user, password, project, endpoints=Endpoints(core=f"{url}/core-fast", account=f"{url}/account"), auth_config=auth
)
ours = connection.get_results(batch_id)
sequence = Sequence.from_abstract_repr(connection.cloud_client.get_batch(batch_id).sequence_builder)
again = QPUBackend(sequence, connection).run([{"runs": 200}], wait=True)
sys.stdout.write(
    json.dumps(
        {
            "machines": sorted(connection.fetch_available_devices()),
            "status": ours.get_batch_status().name,
            "tags": connection.cloud_client.get_batch(batch_id).tags,
            "atoms": list(ours.results[0].atom_order),
            "counts": ours.results[0].final_bitstrings,
            "again": again.results[0].final_bitstrings,
            "computed": QutipEmulator.from_sequence(sequence).run().sample_final_state(4_000),
        }
    )
)
