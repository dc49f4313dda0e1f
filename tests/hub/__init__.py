"""Where models come from: the local cache, and the demo."""
