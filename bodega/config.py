"""How each process is told to run. Plain data: the command line says where it comes from."""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from bodega import limits
from bodega.log import LogFormat as LogFormat

GATEWAY_PORT = 44468
CORE_PORT = 44469
TOKEN_VARIABLE = "BODEGA_TOKEN"  # noqa: S105 - its name
BATCH_ROWS = 32
"""Requests decoded together where a server itself decides to load a model."""

AUTO_PARSER = "auto"
NO_PARSER = "none"
"""What a load may say in the place of a parser's name: choose one, and use none."""

DEMO_MODEL = "demo"
"""The model path that means the small model which Bodega fetches itself."""


def default_home() -> Path:
    """Return Bodega's data folder: BODEGA_HOME, else the platform's place for a user's data."""
    if home := os.environ.get("BODEGA_HOME"):
        return Path(home).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "Bodega"
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "bodega"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadParameters:
    """Which model to load and how; the fields of LoadModelRequest with their defaults.

    Attributes:
        download: fetch the model first when it is not on this machine.
        keep_alive_s: unload it when nobody has asked it anything for so long; None: never.
        reasoning_parser: how to tell thinking from the answer; "auto": by the chat template.
        tool_call_parser: how to tell tool calls from text; likewise.
        lora_paths: folders of the adapters to run it with.
        lora_scales: the factor of each; empty: 1 for all.
    """

    model_path: str
    model_id: str | None = None
    context_length: int = 32_768
    max_concurrency: int = 1
    queue_timeout_s: int = 300
    queue_size: int = 100
    trust_remote_code: bool = False
    chat_template_file: str | None = None
    kv_cache_gb: float | None = None
    prefix_cache_gb: float | None = None
    download: bool = True
    keep_alive_s: int | None = None
    reasoning_parser: str = NO_PARSER
    tool_call_parser: str = NO_PARSER
    lora_paths: tuple[str, ...] = ()
    lora_scales: tuple[float, ...] = ()

    @property
    def adapters(self) -> tuple[tuple[str, float], ...]:
        """Return the folder of each adapter and its factor."""
        scales = self.lora_scales or (1.0,) * len(self.lora_paths)
        return tuple(zip(self.lora_paths, scales, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreConfig:
    """The core: the gRPC services and the engine.

    Attributes:
        host: name or address to listen on; None for no TCP port at all.
        port: TCP port, 0 for any free one.
        socket: path of a unix socket to listen on besides; its folder is private.
        load: the model to load at the start, unless the state file names one.
        state_file: where the core keeps which model is loaded, to load it again if it dies.
        allow_remote_code: honour trust_remote_code in load requests.
        auto_load: how to load a model of this machine when a request names it; its path is left
            open. None: such a request is refused.
        token: what callers must show; a host that is not the loopback's needs one.
        ready_fd: file descriptor that gets one JSON line when the core listens.
        parent_fd: file descriptor that closes when the process that started this one is gone.
    """

    host: str | None = "localhost"
    port: int = CORE_PORT
    socket: Path | None = None
    load: LoadParameters | None = None
    state_file: Path | None = None
    allow_remote_code: bool = False
    auto_load: LoadParameters | None = None
    home: Path = field(default_factory=default_home)
    token: str | None = field(default=None, repr=False)
    log_format: LogFormat = "text"
    ready_fd: int | None = None
    parent_fd: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """The gateway: HTTP in front of a core.

    Attributes:
        host: name or address to listen on.
        port: TCP port, 0 for any free one.
        core: gRPC target of the core, for example ``unix:/run/core.sock`` or ``host:44469``.
        allow_hosts: names besides the loopback's that a Host header may hold.
        allow_origins: origins besides our own that a browser may send.
        token: what callers must show; a host that is not the loopback's needs one.
        ready_fd: file descriptor that gets one JSON line when the gateway listens.
        parent_fd: file descriptor that closes when the process that started this one is gone.
    """

    host: str = "localhost"
    port: int = GATEWAY_PORT
    core: str = f"localhost:{CORE_PORT}"
    allow_hosts: tuple[str, ...] = ()
    allow_origins: tuple[str, ...] = ()
    token: str | None = field(default=None, repr=False)
    log_format: LogFormat = "text"
    ready_fd: int | None = None
    parent_fd: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeConfig:
    """Core and gateway together, on one machine.

    Attributes:
        host: name or address that both listen on.
        port: HTTP port, 0 for any free one.
        grpc_port: gRPC port, 0 for any free one.
        load: the model to load at the start; without it the server waits for a load request.
        hang_limit_s: silence after which core or gateway is killed and started again.
        token: what callers must show; a host that is not the loopback's needs one.
    """

    host: str = "localhost"
    port: int = GATEWAY_PORT
    grpc_port: int = CORE_PORT
    load: LoadParameters | None = None
    hang_limit_s: float = limits.HANG_LIMIT_S
    allow_remote_code: bool = False
    auto_load: LoadParameters | None = None
    allow_hosts: tuple[str, ...] = ()
    allow_origins: tuple[str, ...] = ()
    token: str | None = field(default=None, repr=False)
    log_format: LogFormat = "text"
