"""Source translation: the source's images in the style of the target's, with the source's labels.

``colour`` and ``fourier`` are arithmetic on statistics of target images, done when an image is loaded; ``cyclegan``
(pipeline/training/cyclegan) is a trained network, whose outputs are written as files. ``source`` opens either.
"""
