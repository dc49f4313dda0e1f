"""``python -m bodega`` is ``bodega``."""

from bodega.cli import main

main(prog_name="bodega")
