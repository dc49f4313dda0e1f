"""Read models kept as GGUF files: turned once into a folder that loads like any other."""

from bodega.backends.lm.gguf.importer import (
    ensure_imported,
    ensure_imported_steps,
    import_gguf,
    import_steps,
    plan_import,
)
from bodega.backends.lm.gguf.summary import GgufSummary, read_gguf_summary

__all__ = [
    "GgufSummary",
    "ensure_imported",
    "ensure_imported_steps",
    "import_gguf",
    "import_steps",
    "plan_import",
    "read_gguf_summary",
]
