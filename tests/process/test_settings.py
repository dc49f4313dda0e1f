"""A flag goes before a variable, a variable before the file; what is wrong is said in one line."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bodega import __version__, supervisor
from bodega.cli import main
from bodega.config import LoadParameters, ServeConfig

Bodega = Callable[..., Result]
TOKEN = "k33p-0ut"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[ServeConfig]:
    """Return the list of what would have been served."""
    configs: list[ServeConfig] = []

    def run(config: ServeConfig) -> int:
        configs.append(config)
        return 0

    monkeypatch.setattr(supervisor, "run", run)
    monkeypatch.setattr("bodega.log.setup", lambda _: None)
    return configs


def bodega(*arguments: str | Path, **variables: str) -> Result:
    """Run the command line in this process."""
    environment = {name.upper(): value for name, value in variables.items()}
    return CliRunner().invoke(main, [str(argument) for argument in arguments], env=environment)


def settings_file(folder: Path, text: str) -> Path:
    """Write a settings file."""
    path = folder / "bodega.toml"
    path.write_text(text)
    return path


def test_defaults_are_those_of_the_documentation(served: list[ServeConfig]) -> None:
    assert bodega("serve").exit_code == 0
    assert served == [ServeConfig(host="localhost", port=44468, grpc_port=44469)]


def test_a_flag_goes_before_a_variable_and_that_before_the_file(
    served: list[ServeConfig], tmp_path: Path
) -> None:
    file = settings_file(tmp_path, "port = 1\ngrpc_port = 1\nmodel = 'm'\nqueue_size = 1\n")
    variables = {"bodega_port": "2", "bodega_grpc_port": "2"}
    assert bodega("serve", "--config", file, "--port", "3", **variables).exit_code == 0
    (config,) = served
    assert (config.port, config.grpc_port) == (3, 2)
    assert config.load == LoadParameters(
        model_path="m",
        queue_size=1,
        max_concurrency=32,
        reasoning_parser="auto",
        tool_call_parser="auto",
    )


def test_the_file_may_be_named_by_a_variable(served: list[ServeConfig], tmp_path: Path) -> None:
    file = settings_file(tmp_path, "allow_host = ['a', 'b']\nallow_remote_code = true\n")
    assert bodega("serve", bodega_config=str(file)).exit_code == 0
    assert served[0].allow_hosts == ("a", "b")
    assert served[0].allow_remote_code


def test_every_load_parameter_is_a_flag(served: list[ServeConfig]) -> None:
    flags = (
        "--model m --model-id id --context-length 5 --max-concurrency 6 --queue-timeout 7 "
        "--queue-size 8 --trust-remote-code --chat-template-file f --reasoning-parser qwen3 "
        "--tool-call-parser none --lora /a/b --lora c=0.5"
    )
    assert bodega("serve", *flags.split()).exit_code == 0
    assert served[0].load == LoadParameters(
        model_path="m",
        model_id="id",
        context_length=5,
        max_concurrency=6,
        queue_timeout_s=7,
        queue_size=8,
        trust_remote_code=True,
        chat_template_file="f",
        reasoning_parser="qwen3",
        tool_call_parser="none",
        lora_paths=("/a/b", "c"),
        lora_scales=(1.0, 0.5),
    )


def test_hosts_and_origins_may_be_repeated_or_listed_in_a_variable(
    served: list[ServeConfig],
) -> None:
    flags = ["--allow-host", "a.example", "--allow-host", "b.example"]
    assert bodega("serve", *flags, bodega_allow_origin="http://a https://b").exit_code == 0
    assert served[0].allow_hosts == ("a.example", "b.example")
    assert served[0].allow_origins == ("http://a", "https://b")


def test_the_file_may_hold_what_another_command_needs(
    served: list[ServeConfig], tmp_path: Path
) -> None:
    file = settings_file(tmp_path, "core = 'unix:/x'\nsocket = '/x'\nport = 1\n")
    assert bodega("serve", "--config", file).exit_code == 0
    assert served[0].port == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 1", "unknown key 'prot'; is 'port' meant?"),
        ("port = 'x'", "'port' must be a whole number, not a text"),
        ("port = true", "'port' must be a whole number, not true or false"),
        ("port = 70000", "'port' is wrong: 70000 is not in the range"),
        ("port = 2024-01-01", "'port' must be a whole number, not a date or time"),
        ("model = 1", "'model' must be a text, not a whole number"),
        ("allow_host = 'a'", "'allow_host' must be a list, not a text"),
        ("allow_host = [1]", "'allow_host' must be a text, not a whole number"),
        ("allow_origin = ['x']", "'allow_origin' is wrong: 'x' is not an origin"),
        ("trust_remote_code = 1", "'trust_remote_code' must be true or false, not a whole number"),
        ("log_format = 'xml'", "'log_format' is wrong: 'xml' is not one of 'text', 'json'."),
        ("token = 'a b'", "'token' is wrong: A token has 1 to 4096 characters"),
        ("token = 5", "'token' must be a text, not a whole number"),
        ("[serve]\nport = 1", "unknown key 'serve'"),
        ("port = ", "not TOML: Invalid value (at "),
    ],
)
def test_a_wrong_file_is_told_in_one_line_that_names_the_key(
    served: list[ServeConfig], tmp_path: Path, text: str, said: str
) -> None:
    file = settings_file(tmp_path, text)
    result = bodega("serve", "--config", file)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: {file}: {said}")
    assert result.stderr.count("\n") == 1
    assert not served


def test_a_file_that_is_not_there_is_told(served: list[ServeConfig], tmp_path: Path) -> None:
    result = bodega("serve", "--config", tmp_path / "none.toml")
    assert result.exit_code == 2
    assert result.stderr == f"Error: {tmp_path / 'none.toml'}: No such file or directory\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "x"], "'--port'"),
        (["--port", "-1"], "'--port'"),
        (["--max-concurrency", "0", "--model", "m"], "'--max-concurrency'"),
        (["--queue-timeout", "0", "--model", "m"], "'--queue-timeout'"),
        (["--context-length", "5"], "--context-length tells how to load a model"),
        (["--allow-host", "a:80"], "'a:80' is not a host name without a port"),
        (["--allow-origin", "example.com"], "'example.com' is not an origin"),
        (["--nonsense"], "--nonsense"),
        (["extra"], "extra"),
    ],
)
def test_wrong_usage_exits_2_and_says_what_is_wrong(
    served: list[ServeConfig], arguments: Sequence[str], said: str
) -> None:
    result = bodega("serve", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not served


@pytest.mark.parametrize("command", ["serve", "core", "gateway"])
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.com", "localhost.evil"])
def test_a_host_that_others_can_reach_needs_a_token(command: str, host: str) -> None:
    for result in (bodega(command, "--host", host), bodega(command, bodega_host=host)):
        assert result.exit_code == 2
        assert f"'{host}' can be reached from other machines, and that needs a token" in (
            result.stderr
        )
        assert "--token-file FILE, the variable BODEGA_TOKEN, or --token TEXT" in result.stderr


def test_a_token_comes_by_flag_by_variable_or_from_a_file(
    served: list[ServeConfig], tmp_path: Path
) -> None:
    wide = ("serve", "--host", "0.0.0.0")
    secret = tmp_path / "secret"
    secret.write_text(f"{TOKEN}\n")
    file = settings_file(tmp_path, f"host = '0.0.0.0'\ntoken_file = '{secret}'\n")
    for result in (
        bodega(*wide, "--token", TOKEN),
        bodega(*wide, bodega_token=TOKEN),
        bodega(*wide, "--token-file", secret),
        bodega(*wide, bodega_token_file=str(secret)),
        bodega("serve", "--config", file),
        bodega("serve", "--config", settings_file(tmp_path, f"token = '{TOKEN}'")),
    ):
        assert result.exit_code == 0, result.stderr
    assert [config.token for config in served] == [TOKEN] * 6
    assert TOKEN not in repr(served)


@pytest.mark.parametrize("text", ["", "  \n", "a b", "a\nb", "gr\u00fcn", "x" * 5000])
def test_what_is_no_token_is_refused_and_not_quoted(
    served: list[ServeConfig], tmp_path: Path, text: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(text, encoding="utf-8")
    for arguments in (["--token", text], ["--token-file", secret]):
        result = bodega("serve", *arguments)
        assert result.exit_code == 2
        assert "A token has 1 to 4096 characters" in result.stderr
        assert not text.strip() or text not in result.stderr
    assert not served


def test_two_tokens_and_a_file_that_is_not_there_are_told(
    served: list[ServeConfig], tmp_path: Path
) -> None:
    two = bodega("serve", "--token", TOKEN, "--token-file", tmp_path / "secret")
    assert "Both a token and a file with one are given" in two.stderr
    none = bodega("serve", "--token-file", tmp_path / "secret")
    assert f"--token-file: {tmp_path / 'secret'}: No such file or directory" in none.stderr
    assert (two.exit_code, none.exit_code) == (2, 2)
    assert not served


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.0.0.2", "::1"])
def test_loopback_hosts_are_taken(served: list[ServeConfig], host: str) -> None:
    assert bodega("serve", "--host", host).exit_code == 0
    assert served[0].host == host


def test_the_version_is_told() -> None:
    assert bodega("--version").stdout == f"bodega {__version__}\n"


def test_help_names_flag_and_variable_of_every_setting() -> None:
    text = bodega("serve", "--help").stdout
    for flag, variable in (("--port", "BODEGA_PORT"), ("--queue-size", "BODEGA_QUEUE_SIZE")):
        assert flag in text
        assert variable in text
