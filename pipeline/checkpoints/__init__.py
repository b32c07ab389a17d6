"""Checkpoints that others wrote.

`reading.py` opens them, `recognise.py` says what they are, `import_export.py` takes them in and out.
"""
