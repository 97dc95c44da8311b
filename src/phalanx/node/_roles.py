"""What duties and skills need besides the node's own state: plans out of the settings, and ports to what is around."""

from phalanx.agents import Toolbox
from phalanx.core import EntropySource, EventSink, FileWatch, Listeners
from phalanx.deception import Decoys, account_rules
from phalanx.intel import Intake, OwnEvents, RuleSet, load_rules, parse_rule
from phalanx.node._ports import Ports
from phalanx.node._settings import Settings


def detection_rules(settings: Settings) -> RuleSet:
    """The built-in rules, those of the settings' folder, and those that know the canary users."""
    loaded = load_rules(settings.intake.rules_dir)
    texts = account_rules(settings.deception.users)
    if not texts:
        return loaded
    own = [parse_rule(text, where="deception.users") for text in texts]
    return RuleSet([*loaded.rules.values(), *own])


def decoys_of(settings: Settings) -> Decoys:
    """What is to be put out."""
    wanted = settings.deception
    return Decoys(
        host=wanted.host,
        ssh=wanted.ssh,
        http=wanted.http,
        tcp=wanted.tcp,
        users=wanted.users,
        files=tuple(str(path) for path in wanted.files),
        node=settings.node.name,
    )


def provide_for_roles(toolbox: Toolbox, settings: Settings, ports: Ports, intake: Intake) -> None:
    """Offer what is not the node's own state."""
    toolbox.provide(Decoys, decoys_of(settings))
    toolbox.provide(EventSink, OwnEvents(intake))
    toolbox.provide(Listeners, ports.listeners)
    toolbox.provide(FileWatch, ports.files)
    toolbox.provide(EntropySource, ports.entropy)
