"""Predictions as files: a network over any images, in the formats that other programs and people read."""
