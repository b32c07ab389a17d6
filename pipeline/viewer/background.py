"""Values that the cache has no statistics of, measured image by image in a background thread on request."""

from __future__ import annotations

import atexit
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from pipeline.common.errors import ReadableError

Value = TypeVar("Value")
_TRIES = 3
"""Attempts for an image that cannot be read: its file may be about to appear, but the page must not wait for ever."""


class Measurements(Generic[Value]):
    """One value per image id. Each call of ``of`` returns the values so far; a thread fills in the rest."""

    def __init__(self, measure: Callable[[str], Value | None]) -> None:
        self._measure = measure
        self._values: dict[str, Value | None] = {}
        self._thread: threading.Thread | None = None
        self._pending: list[str] = []
        self._tries: Counter[str] = Counter()
        self._stopped = False
        self._lock = threading.Lock()
        atexit.register(self.stop)  # a thread inside HDF5 would keep the interpreter from ending

    def of(self, image_ids: list[str]) -> dict[str, Value | None]:
        """Return the values so far, None for an image that cannot be measured; start or continue the thread."""
        with self._lock:
            self._pending = [image_id for image_id in image_ids if image_id not in self._values]
            idle = self._thread is None or not self._thread.is_alive()
            if self._pending and idle and not self._stopped:
                self._thread = threading.Thread(target=self._run, name="measure", daemon=True)
                self._thread.start()
            return dict(self._values)

    def wait(self) -> None:
        """Wait until the thread has ended."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def stop(self) -> None:
        """Stop after the image that is being measured, and wait for it."""
        self._stopped = True
        atexit.unregister(self.stop)
        self.wait()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._pending or self._stopped:
                    self._thread = None
                    return
                image_id = self._pending.pop(0)
                if image_id in self._values:  # requested again while it was measured
                    continue
                self._tries[image_id] += 1
                if self._tries[image_id] > _TRIES:
                    self._values[image_id] = None
                    continue
            try:
                value = self._measure(image_id)
            except (ReadableError, OSError):
                continue  # tried again on the next request
            with self._lock:
                self._values[image_id] = value


class MeasurementSets:
    """The measurements that were asked for; one that a change of files has made obsolete is stopped and forgotten."""

    def __init__(self) -> None:
        self._sets: dict[tuple[str, ...], tuple[str, Measurements[Any]]] = {}
        self._lock = threading.Lock()

    def get(self, subject: tuple[str, ...], depends_on: str, measure: Callable[[str], Any]) -> Measurements[Any]:
        """Return what is measured of a subject, begun anew where ``depends_on`` has changed."""
        with self._lock:
            known = self._sets.get(subject)
            if known is None or known[0] != depends_on:
                if known is not None:
                    known[1].stop()
                known = self._sets[subject] = (depends_on, Measurements(measure))
            return known[1]

    def wait(self) -> None:
        """Wait until all that was asked for is measured."""
        for _, measured in list(self._sets.values()):
            measured.wait()

    def stop(self) -> None:
        """Stop all measuring."""
        for _, measured in list(self._sets.values()):
            measured.stop()
