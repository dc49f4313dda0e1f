"""Backends: what runs models. They alone import MLX."""
