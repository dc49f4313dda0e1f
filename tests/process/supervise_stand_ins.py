"""The real supervisor over stand-in children."""

import os
import sys
from pathlib import Path

from bodega import log, supervisor
from bodega.config import LoadParameters, ServeConfig

STAND_IN = Path(__file__).parent / "stand_in.py"


def main() -> None:
    """Supervise; the arguments are the log format and the model, if any."""
    log_format, *models = sys.argv[1:]
    config = ServeConfig(
        port=0,
        grpc_port=0,
        hang_limit_s=float(os.environ["HANG_LIMIT_S"]),
        log_format="json" if log_format == "json" else "text",
        load=LoadParameters(model_path=models[0]) if models else None,
    )
    log.setup(config.log_format)
    sys.exit(supervisor.run(config, command=(sys.executable, str(STAND_IN))))


if __name__ == "__main__":
    main()
