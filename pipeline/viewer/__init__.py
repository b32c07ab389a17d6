"""Looking at caches, selections and patches of runs: the page of ``roundabout inspect`` and what it shows."""
