"""The children get their configuration by arguments, and understand them as they were meant."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from bodega.cli import main
from bodega.config import CoreConfig, GatewayConfig, LoadParameters
from bodega.supervisor.command import child_environment, core_arguments, gateway_arguments


@pytest.fixture
def understood(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return the list of configurations that servers would have been run with."""
    configs: list[object] = []

    def run_server(_: str, config: object) -> int:
        configs.append(config)
        return 0

    for command in ("core", "gateway"):
        monkeypatch.setattr(f"bodega.cli.{command}.run_server", run_server)
        monkeypatch.setattr(f"bodega.cli.{command}.leave", sys.exit)
    monkeypatch.setattr("bodega.platform.preload_blas", lambda: None)
    monkeypatch.setattr("bodega.log.setup", lambda _: None)
    return configs


@pytest.mark.parametrize(
    "config",
    [
        CoreConfig(),
        CoreConfig(
            host="::1",
            port=0,
            socket=Path("/run/with space/core.sock"),
            load=LoadParameters(
                model_path="-odd name",
                model_id="id",
                context_length=5,
                max_concurrency=6,
                queue_timeout_s=7,
                queue_size=0,
                trust_remote_code=True,
                chat_template_file="/f",
                kv_cache_gb=0.5,
                reasoning_parser="auto",
                tool_call_parser="qwen3_coder",
                lora_paths=("/with space/a=b", "c"),
                lora_scales=(0.1, -2.0),
            ),
            allow_remote_code=True,
            log_format="json",
        ),
    ],
)
def test_the_core_understands_its_arguments(understood: list[object], config: CoreConfig) -> None:
    assert CliRunner().invoke(main, core_arguments(config)).exit_code == 0
    assert understood == [config]


@pytest.mark.parametrize(
    "config",
    [
        GatewayConfig(),
        GatewayConfig(
            host="127.0.0.1",
            port=0,
            core="unix:/run/core.sock",
            allow_hosts=("a", "b"),
            allow_origins=("https://a", "https://b"),
            log_format="json",
        ),
    ],
)
def test_the_gateway_understands_its_arguments(
    understood: list[object], config: GatewayConfig
) -> None:
    assert CliRunner().invoke(main, gateway_arguments(config)).exit_code == 0
    assert understood == [config]


def test_the_token_reaches_the_children_where_other_users_cannot_read_it(
    understood: list[object],
) -> None:
    core, gateway = CoreConfig(token="k33p-0ut"), GatewayConfig(token="k33p-0ut")
    environment = child_environment({}, token="k33p-0ut")
    for arguments in (core_arguments(core), gateway_arguments(gateway)):
        assert "k33p-0ut" not in " ".join(arguments)
        assert CliRunner().invoke(main, arguments, env=environment).exit_code == 0
    assert understood == [core, gateway]


def test_settings_in_variables_do_not_reach_the_children() -> None:
    kept = {"PATH": "/bin", "BODEGA_HOME": "/h", "BODEGA_BLAS": "off", "HF_HOME": "/hf"}
    dropped = {"BODEGA_PORT": "1", "BODEGA_CONFIG": "/c", "BODEGA_MODEL": "m", "BODEGA_TOKEN": "t"}
    assert child_environment({**kept, **dropped}) == kept
