"""Segmentation networks: `build.py` constructs them, `base.py` is their interface, `state.py` their file."""
