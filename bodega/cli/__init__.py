"""The command line: flags to configuration, nothing else."""

from bodega.cli.entry import main

__all__ = ["main"]
