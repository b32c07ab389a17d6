"""Settings of a Prefect server before a night: the number of GPU slots, and when a flow counts as crashed."""

from __future__ import annotations

from pipeline.overnight import prefect_settings  # isort: skip - before Prefect, which reads it once

from datetime import timedelta

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

AUTOMATION = "roundabout: a flow that falls silent has crashed"


def make_slots(slots: int | None) -> int:
    """Set the server's number of GPU slots, by default to what it is already, else to one; return it."""
    with get_client(sync_client=True) as client:
        if slots is None:
            for limit in client.read_global_concurrency_limits():
                if limit.name == prefect_settings.SLOT_LIMIT:
                    return limit.limit
        client.upsert_global_concurrency_limit_by_name(prefect_settings.SLOT_LIMIT, slots or 1)
    return slots or 1


def mark_crashed_flows() -> None:
    """Make the server mark flows as crashed that no longer send heartbeats: killed together with their worker.

    Needed once per server. A flow whose worker lives is marked by the worker within seconds.
    """
    ends = ("Completed", "Failed", "Cancelled", "Crashed")
    automation = AutomationCore(
        name=AUTOMATION,
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.heartbeat", *(f"prefect.flow-run.{end}" for end in ends)},
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=prefect_settings.SILENT_SECONDS),
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                message=(
                    f"nothing was heard of this flow for {prefect_settings.SILENT_SECONDS} s; start it again to resume"
                ),
            )
        ],
    )
    with get_client(sync_client=True) as client:
        if not client.read_automations_by_name(AUTOMATION):
            client.create_automation(automation)
