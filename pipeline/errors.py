"""The errors whose messages are written for people: programs print them without a traceback."""


class ReadableError(Exception):
    """What went wrong, which file it is about, and what to do."""
