"""Assembles the routes. Nothing here listens: an ASGI server runs what this returns."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

import phalanx
from phalanx.api._agents import KINDS as AGENT_KINDS
from phalanx.api._agents import agent_routes
from phalanx.api._agreements import KINDS as AGREEMENT_KINDS
from phalanx.api._agreements import agreement_routes
from phalanx.api._allocation import KINDS as ALLOCATION_KINDS
from phalanx.api._allocation import allocation_routes
from phalanx.api._artefacts import KINDS as ARTEFACT_KINDS
from phalanx.api._artefacts import artefact_routes
from phalanx.api._auth import Gate
from phalanx.api._balancing import KINDS as BALANCING_KINDS
from phalanx.api._balancing import balancing_routes
from phalanx.api._batches import KINDS as BATCH_KINDS
from phalanx.api._batches import batch_routes
from phalanx.api._budgets import KINDS as BUDGET_KINDS
from phalanx.api._budgets import budget_routes
from phalanx.api._cluster import KINDS as CLUSTER_KINDS
from phalanx.api._cluster import cluster_routes
from phalanx.api._devices import KINDS as DEVICE_KINDS
from phalanx.api._devices import device_routes, job_routes, worker_routes
from phalanx.api._edge import Edge
from phalanx.api._entropy import KINDS as ENTROPY_KINDS
from phalanx.api._entropy import entropy_routes
from phalanx.api._escrow import KINDS as ESCROW_KINDS
from phalanx.api._escrow import escrow_routes
from phalanx.api._events import KINDS as EVENT_KINDS
from phalanx.api._events import event_routes
from phalanx.api._identities import KINDS as IDENTITY_KINDS
from phalanx.api._identities import identity_routes
from phalanx.api._incidents import KINDS as INCIDENT_KINDS
from phalanx.api._incidents import incident_routes
from phalanx.api._ledger import KINDS as LEDGER_KINDS
from phalanx.api._ledger import ledger_routes
from phalanx.api._live import KINDS as LIVE_KINDS
from phalanx.api._live import live_routes
from phalanx.api._manager import KINDS as MANAGER_KINDS
from phalanx.api._manager import manager_routes
from phalanx.api._messages import KINDS as MESSAGE_KINDS
from phalanx.api._messages import message_routes
from phalanx.api._orders import KINDS as ORDER_KINDS
from phalanx.api._orders import order_routes
from phalanx.api._problems import ProblemType, on_http_exception, on_phalanx_error, on_validation_error
from phalanx.api._records import KINDS as RECORD_KINDS
from phalanx.api._records import record_routes
from phalanx.api._reports import KINDS as REPORT_KINDS
from phalanx.api._reports import report_routes
from phalanx.api._reservations import KINDS as RESERVATION_KINDS
from phalanx.api._reservations import reservation_routes
from phalanx.api._routes import KINDS as ROUTE_KINDS
from phalanx.api._routes import route_routes
from phalanx.api._schemas import ANY_PROBLEM, install_openapi
from phalanx.api._service import Health, service_routes
from phalanx.api._tiles import KINDS as TILE_KINDS
from phalanx.api._tiles import tile_routes
from phalanx.api._traces import Trace, trace_routes
from phalanx.api._vault import KINDS as VAULT_KINDS
from phalanx.api._vault import vault_routes
from phalanx.api._vouching import KINDS as VOUCHING_KINDS
from phalanx.api._vouching import vouching_routes, witness_routes
from phalanx.api._workflows import KINDS as WORKFLOW_KINDS
from phalanx.api._workflows import workflow_routes
from phalanx.api._workflows_workers import KINDS as WORKFLOW_WORKER_KINDS
from phalanx.api._workflows_workers import workflow_worker_routes
from phalanx.api.intel._attack import KINDS as ATTACK_KINDS
from phalanx.api.intel._attack import attack_routes
from phalanx.api.intel._connectors import KINDS as CONNECTOR_KINDS
from phalanx.api.intel._connectors import connector_routes
from phalanx.api.intel._files import KINDS as FILE_KINDS
from phalanx.api.intel._files import file_routes
from phalanx.api.intel._hec import hec_routes
from phalanx.api.intel._hunts import KINDS as HUNT_KINDS
from phalanx.api.intel._hunts import hunt_routes
from phalanx.api.intel._indicators import KINDS as INDICATOR_KINDS
from phalanx.api.intel._indicators import indicator_routes
from phalanx.api.intel._judging import KINDS as JUDGING_KINDS
from phalanx.api.intel._judging import judging_routes
from phalanx.api.intel._models import KINDS as MODEL_KINDS
from phalanx.api.intel._models import model_routes
from phalanx.api.intel._places import KINDS as PLACE_KINDS
from phalanx.api.intel._places import place_routes
from phalanx.api.intel._quarantine import KINDS as QUARANTINE_KINDS
from phalanx.api.intel._quarantine import quarantine_routes
from phalanx.api.intel._rules import KINDS as RULE_KINDS
from phalanx.api.intel._rules import rule_routes
from phalanx.api.intel._search import KINDS as SEARCH_KINDS
from phalanx.api.intel._search import search_routes
from phalanx.api.intel._sharing import KINDS as SHARING_KINDS
from phalanx.api.intel._sharing import sharing_routes
from phalanx.api.intel._signs import KINDS as SIGN_KINDS
from phalanx.api.intel._signs import sign_routes
from phalanx.api.intel._taxii import taxii_routes
from phalanx.api.intel._thresholds import KINDS as THRESHOLD_KINDS
from phalanx.api.intel._thresholds import threshold_routes
from phalanx.core import PhalanxError

if TYPE_CHECKING:
    from phalanx.node import Node

_KINDS: Sequence[type] = (
    *EVENT_KINDS,
    *QUARANTINE_KINDS,
    *FILE_KINDS,
    *CONNECTOR_KINDS,
    *CLUSTER_KINDS,
    *RECORD_KINDS,
    *AGENT_KINDS,
    *ORDER_KINDS,
    *WORKFLOW_KINDS,
    *WORKFLOW_WORKER_KINDS,
    *RESERVATION_KINDS,
    *ALLOCATION_KINDS,
    *BUDGET_KINDS,
    *REPORT_KINDS,
    *ROUTE_KINDS,
    *AGREEMENT_KINDS,
    *ARTEFACT_KINDS,
    *LEDGER_KINDS,
    *BALANCING_KINDS,
    *DEVICE_KINDS,
    *MESSAGE_KINDS,
    *TILE_KINDS,
    *VOUCHING_KINDS,
    *LIVE_KINDS,
    *VAULT_KINDS,
    *IDENTITY_KINDS,
    *ENTROPY_KINDS,
    *ESCROW_KINDS,
    *RULE_KINDS,
    *SEARCH_KINDS,
    *HUNT_KINDS,
    *JUDGING_KINDS,
    *MANAGER_KINDS,
    *BATCH_KINDS,
    *PLACE_KINDS,
    *SIGN_KINDS,
    *MODEL_KINDS,
    *THRESHOLD_KINDS,
    *INCIDENT_KINDS,
    *SHARING_KINDS,
    *ATTACK_KINDS,
    *INDICATOR_KINDS,
    Trace,
    Health,
    ProblemType,
)


def create_app(node: "Node", *, pages: Sequence[BaseRoute] = ()) -> FastAPI:
    """The HTTP face of ``node``. ``pages`` are served beside the API under their own policy."""
    app = FastAPI(
        title="Phalanx",
        version=phalanx.__version__,
        docs_url=None,  # the framework's page loads its scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={
            PhalanxError: on_phalanx_error,
            HTTPException: on_http_exception,
            RequestValidationError: on_validation_error,
        },
    )
    gate = Gate(node.tokens)
    for router in _routers(node, gate):
        app.include_router(router, responses=ANY_PROBLEM)
    app.include_router(taxii_routes(node))
    app.router.routes.extend(pages)
    app.add_middleware(Edge, telemetry=node.telemetry, ids=node.ids, clock=node.clock)
    install_openapi(app, _KINDS)
    return app


def _routers(node: "Node", gate: Gate) -> Sequence[APIRouter]:
    return (
        quarantine_routes(node, gate),  # before those of events, which take what is left for an event's id
        file_routes(node, gate),
        *search_routes(node, gate),  # the same
        hunt_routes(node, gate),  # the same
        event_routes(node, gate),
        connector_routes(node, gate),
        hec_routes(node),
        record_routes(node, gate),
        agent_routes(node, gate),
        order_routes(node, gate),
        workflow_worker_routes(node, gate),  # before those of workflows, one of which could be called so
        workflow_routes(node, gate),
        reservation_routes(node, gate),
        allocation_routes(node, gate),
        manager_routes(node, gate),
        batch_routes(node, gate),
        budget_routes(node, gate),
        report_routes(node, gate),
        route_routes(node, gate),
        agreement_routes(node, gate),
        artefact_routes(node, gate),
        trace_routes(node, gate),
        witness_routes(node),
        tile_routes(node, gate),
        vouching_routes(node, gate),  # before the ledger's, which take what is left for an entry's id
        ledger_routes(node, gate),
        balancing_routes(node, gate),
        device_routes(node, gate),
        worker_routes(node, gate),
        job_routes(node, gate),
        message_routes(node, gate),
        live_routes(node, gate),
        service_routes(node, gate),
        entropy_routes(node, gate),
        cluster_routes(node, gate),
        escrow_routes(node, gate),
        vault_routes(node, gate),
        identity_routes(node, gate),
        rule_routes(node, gate),
        judging_routes(node, gate),
        place_routes(node, gate),
        sign_routes(node, gate),
        model_routes(node, gate),
        threshold_routes(node, gate),
        incident_routes(node, gate),
        sharing_routes(node, gate),
        attack_routes(node, gate),
        indicator_routes(node, gate),
    )
