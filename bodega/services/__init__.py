"""Use-cases in Bodega's own types."""
