"""Bodega Inference Engine: models of many kinds, served from one machine on MLX."""

__version__ = "0.1.0"
