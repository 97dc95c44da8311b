"""What the settings say about the cluster: a server to run, a token to join with, or an existing server."""

from pathlib import Path

from phalanx.adapters.keys import read_private
from phalanx.adapters.nats import ClusterAccess, NatsCluster, ServePlan
from phalanx.core import Clock, EntropySource, InvalidInput, NotFound, Rng
from phalanx.node.cluster._join_token import JoinToken
from phalanx.node.settings._settings import Settings

_FOLDER = "cluster"


def cluster_line(
    settings: Settings, *, clock: Clock, rng: Rng, entropy: EntropySource
) -> tuple[NatsCluster | None, JoinToken | None]:
    """Nothing is opened yet. Raises ``InvalidInput`` for settings that contradict each other, or unreadable files."""
    cluster, token = settings.cluster, None
    asked = [name for name in ("serve", "token", "urls") if getattr(cluster, name)]
    if len(asked) > 1:
        raise InvalidInput("cluster", f"{' and '.join(asked)} are set: a node serves, or joins in one way")
    if not asked:
        return None, None
    plan: ServePlan | ClusterAccess
    if cluster.serve:
        api = settings.api
        files = (api.tls_cert, api.tls_key) if api.tls_cert is not None and api.tls_key is not None else None
        plan = ServePlan(cluster.host, cluster.port, cluster.advertise, files)
    elif cluster.token is not None:
        token = JoinToken.from_text(_secret("cluster.token", cluster.token))
        plan = ClusterAccess(token.urls, token.ca, token.seed)
    else:
        seed = _secret("cluster.nkey", cluster.nkey) if cluster.nkey is not None else ""
        plan = ClusterAccess(cluster.urls, _text("cluster.ca", cluster.ca) if cluster.ca is not None else "", seed)
    return NatsCluster(settings.node.data_dir / _FOLDER, plan, clock=clock, rng=rng, entropy=entropy), token


def _secret(name: str, file: Path) -> str:
    try:
        return read_private(file).decode()
    except FileNotFoundError:
        raise NotFound(f"file of {name}", str(file)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(name, f"{file} cannot be read") from error


def _text(name: str, file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(name, f"{file} cannot be read") from error
