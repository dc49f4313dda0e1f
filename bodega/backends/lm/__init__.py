"""Language models, on mlx-lm."""
