"""Prefect's settings, which it reads once, when it is imported: import this first."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.overnight.server_probe import keep_loopback_off_proxies

SLOT_LIMIT = "gpu-slot"
"""Name of the server's limit: one slot for each stage that may run a network at a time, over all flows."""
LEASE_SECONDS = 60
"""After so long the slots of a flow that died are free."""
HEARTBEAT_SECONDS = 30
SILENT_SECONDS = 90
"""A flow without heartbeats for so long has crashed."""

_SETTINGS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    # the first start of a server in this process takes 35 s, beyond Prefect's own limit of 20
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
}


def _own_home() -> dict[str, str]:
    """Return a folder for Prefect's database if the user's home is not writable (a service's user, a container).

    Prefect would wait minutes for a server that cannot start, without a word about the reason.
    """
    home = Path(os.environ.get("HOME") or "/").resolve() / ".prefect"
    nearest = next(path for path in (home, *home.parents) if path.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return {}
    profiles = home / "profiles.toml"
    named = {"PREFECT_PROFILES_PATH": str(profiles)} if profiles.exists() else {}  # it may name a server
    folder = Path.cwd() / ".roundabout" / "prefect"
    folder.mkdir(parents=True, exist_ok=True)  # Prefect creates only the last of the two folders
    return {"PREFECT_HOME": str(folder), **named}


keep_loopback_off_proxies()
for _name, _value in {**_SETTINGS, **({} if "PREFECT_HOME" in os.environ else _own_home())}.items():
    os.environ.setdefault(_name, _value)


def server_address() -> str | None:
    """Return the server that PREFECT_API_URL or Prefect's profile names; None if this process starts its own."""
    from prefect.settings import get_current_settings

    return get_current_settings().api.url or None  # an empty variable counts as unset
