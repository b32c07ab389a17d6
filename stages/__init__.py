"""Programs of the DVC stages. A stage stops when the DVC that started it dies, so that no orphan goes on writing."""

import os
import time

from pipeline.common.processes import stop_with_parent

BEGUN = time.monotonic()
"""When the stage began, before its imports."""

# Here, before the imports of the stage itself, which take seconds; DVC names the stage in the environment.
if "DVC_STAGE" in os.environ:
    stop_with_parent()
