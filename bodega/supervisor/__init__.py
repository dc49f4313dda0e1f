"""The parent of core and gateway: starts both, says what listens where, ends both."""

from bodega.supervisor.supervisor import run

__all__ = ["run"]
