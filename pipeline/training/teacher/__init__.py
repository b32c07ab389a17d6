"""Online self-training: a teacher, the moving average of the network, labels the target while the network learns."""
