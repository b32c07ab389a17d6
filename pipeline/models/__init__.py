"""Segmentation networks: `build.py` makes one, `base.py` says what each answers, `state.py` keeps it in a file."""
