"""GGUF files: a writer of our own, and what the importer makes of its files."""
