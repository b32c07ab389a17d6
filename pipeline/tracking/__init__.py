"""Curves, tables and pictures where people already look: TensorBoard, MLflow, Weights & Biases. Off by default."""
