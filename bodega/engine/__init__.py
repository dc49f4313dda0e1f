"""The engine: decides what the device does next. It never imports MLX."""
