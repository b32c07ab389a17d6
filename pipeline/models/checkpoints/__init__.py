"""Checkpoints that others wrote: `reading.py` opens them, `recognise.py` says what they are, `carry.py` takes them in
and out."""
