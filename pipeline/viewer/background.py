"""What the cache has no statistics of is measured image by image, beside the page, when someone asks for it."""

from __future__ import annotations

import atexit
import threading
from collections import Counter
from collections.abc import Callable
from typing import Generic, TypeVar

from pipeline.common.errors import ReadableError

Value = TypeVar("Value")
_TRIES = 3
"""Of an image that cannot be read: a file may be on its way, but the page must not wait for ever."""


class Measured(Generic[Value]):
    """One value an image, by id. Each call of ``of`` sees what is there so far; a thread fills in the rest."""

    def __init__(self, measure: Callable[[str], Value | None]) -> None:
        self._measure = measure
        self._values: dict[str, Value | None] = {}
        self._thread: threading.Thread | None = None
        self._wanted: list[str] = []
        self._tries: Counter[str] = Counter()
        self._stopped = False
        self._lock = threading.Lock()
        atexit.register(self.stop)  # a thread inside HDF5 would keep the interpreter from ending

    def of(self, image_ids: list[str]) -> dict[str, Value | None]:
        """The values known by now, None for an image that cannot be measured; starts or continues the thread."""
        with self._lock:
            self._wanted = [image_id for image_id in image_ids if image_id not in self._values]
            idle = self._thread is None or not self._thread.is_alive()
            if self._wanted and idle and not self._stopped:
                self._thread = threading.Thread(target=self._run, name="measure", daemon=True)
                self._thread.start()
            return dict(self._values)

    def wait(self) -> None:
        """Until nothing is under way."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def stop(self) -> None:
        """Nothing more is measured after the image at hand; waits for that."""
        self._stopped = True
        atexit.unregister(self.stop)
        self.wait()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._wanted or self._stopped:
                    self._thread = None
                    return
                image_id = self._wanted.pop(0)
                if image_id in self._values:  # asked for again while it was measured
                    continue
                self._tries[image_id] += 1
                if self._tries[image_id] > _TRIES:
                    self._values[image_id] = None
                    continue
            try:
                value = self._measure(image_id)
            except (ReadableError, OSError):
                continue  # tried again when it is next asked for
            with self._lock:
                self._values[image_id] = value
