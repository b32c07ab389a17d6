"""Predictions of any images as files, in the formats that other programs and people read."""
