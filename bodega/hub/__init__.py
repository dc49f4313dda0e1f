"""Where models come from: the local Hugging Face cache, and the demo. Knows nothing of MLX."""
