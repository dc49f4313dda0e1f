"""How the children are started: their configuration as arguments, and their environment."""

import os
import sys
from collections.abc import Mapping

from bodega import platform
from bodega.config import TOKEN_VARIABLE, CoreConfig, GatewayConfig, LoadParameters

BODEGA = (sys.executable, "-P", "-m", "bodega")
"""This program. -P keeps modules of the current folder from taking the place of our own."""

_INHERITED = {"BODEGA_HOME", platform.BLAS_VARIABLE}


def core_arguments(config: CoreConfig) -> list[str]:
    """Return the arguments of ``bodega core`` that stand for a configuration."""
    arguments = ["core", "--port", str(config.port), "--log-format", config.log_format]
    if config.host is not None:
        arguments += ["--host", config.host]
    if config.socket is not None:
        arguments += ["--socket", str(config.socket)]
    if config.state_file is not None:
        arguments += ["--state-file", str(config.state_file)]
    if config.allow_remote_code:
        arguments.append("--allow-remote-code")
    if config.load is not None:
        arguments += _model_arguments(config.load)
    if config.auto_load is not None:
        arguments.append("--auto-load")
    if (how := config.load or config.auto_load) is not None:
        arguments += _load_arguments(how)
    return arguments


def gateway_arguments(config: GatewayConfig) -> list[str]:
    """Return the arguments of ``bodega gateway`` that stand for a configuration."""
    arguments = ["gateway", "--core", config.core, "--host", config.host]
    arguments += ["--port", str(config.port), "--log-format", config.log_format]
    for host in config.allow_hosts:
        arguments += ["--allow-host", host]
    for origin in config.allow_origins:
        arguments += ["--allow-origin", origin]
    return arguments


def child_environment(
    environment: Mapping[str, str] = os.environ, *, token: str | None = None
) -> dict[str, str]:
    """Return the environment for a child.

    It has no settings, which its arguments hold already, but the token: every user of the
    machine can read arguments.
    """
    kept = {
        name: value
        for name, value in environment.items()
        if not name.startswith("BODEGA_") or name in _INHERITED
    }
    return kept if token is None else {**kept, TOKEN_VARIABLE: token}


def _model_arguments(load: LoadParameters) -> list[str]:
    arguments = ["--model", load.model_path]
    if load.model_id is not None:
        arguments += ["--model-id", load.model_id]
    if load.chat_template_file is not None:
        arguments += ["--chat-template-file", load.chat_template_file]
    if load.trust_remote_code:
        arguments.append("--trust-remote-code")
    for path, scale in load.adapters:
        arguments += ["--lora", f"{path}={scale!r}"]
    return arguments


def _load_arguments(load: LoadParameters) -> list[str]:
    arguments = []
    given = {
        "--context-length": load.context_length,
        "--max-concurrency": load.max_concurrency,
        "--queue-timeout": load.queue_timeout_s,
        "--queue-size": load.queue_size,
        "--kv-cache-gb": load.kv_cache_gb,
        "--prefix-cache-gb": load.prefix_cache_gb,
        "--keep-alive": load.keep_alive_s,
        "--reasoning-parser": load.reasoning_parser,
        "--tool-call-parser": load.tool_call_parser,
    }
    for flag, value in given.items():
        if value is not None:
            arguments += [flag, str(value)]
    return arguments
