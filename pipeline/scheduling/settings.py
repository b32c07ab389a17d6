"""Prefect's settings, which it reads once, when it is imported: import this first."""

from __future__ import annotations

import os

SLOT_LIMIT = "gpu-slot"
"""Name of the global limit: one slot for each stage that may run a network at a time, over all flows of a server."""
LEASE_SECONDS = 60
"""A flow that dies gives its slots back after this long."""
HEARTBEAT_SECONDS = 30
SILENT_SECONDS = 90
"""A flow of which nothing was heard for this long has crashed."""

_SETTINGS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    # the first start of a server in this process takes 35 s, beyond Prefect's own limit of 20
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
}

for _name, _value in _SETTINGS.items():
    os.environ.setdefault(_name, _value)


def server_address() -> str | None:
    """The server that PREFECT_API_URL or Prefect's profile names; None: this process starts one of its own."""
    from prefect.settings import get_current_settings

    return get_current_settings().api.url or None  # an empty variable is none
