"""A segmentation network over images: views of them, and the target's images into a probability cache."""
