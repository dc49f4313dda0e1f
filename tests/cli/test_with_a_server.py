"""The commands with a server: what they do, what scripts read, and what they end with."""

import json

from tests.cli.conftest import ANSWER, MODEL, QUESTION
from tests.cli.terminal import Bodega
from tests.models import TINY_CHAT

ESCAPE = "\x1b"


def test_a_model_is_pulled_loaded_asked_shown_and_removed(bodega: Bodega) -> None:
    pulled = bodega("pull", MODEL)
    assert (pulled.returncode, pulled.stdout.startswith(f"{MODEL} is here")) == (0, True)
    assert MODEL in bodega("list").stdout
    assert bodega("load", MODEL, "--context-length", "512").returncode == 0
    in_use = bodega("rm", MODEL)
    assert (in_use.returncode, "loaded" in in_use.stderr) == (1, True)
    asked = bodega("run", MODEL, *("--temperature", "0"), QUESTION)
    assert (asked.returncode, asked.stdout) == (0, f"{ANSWER}\n")
    assert "512 tokens" in bodega("show", MODEL).stdout
    assert bodega("unload").stdout == f"{MODEL} is unloaded.\n"
    removed = bodega("rm", MODEL)
    assert (removed.returncode, removed.stdout.startswith(f"Removed {MODEL}")) == (0, True)
    assert MODEL not in bodega("list").stdout


def test_run_loads_what_is_not_loaded_and_takes_its_prompt_from_a_pipe(bodega: Bodega) -> None:
    asked = bodega("run", str(TINY_CHAT), "--temperature", "0", piped=QUESTION)
    assert (asked.returncode, asked.stdout) == (0, f"{ANSWER}\n")
    assert ESCAPE not in asked.stdout + asked.stderr


def test_a_script_reads_the_answer_without_the_thinking(bodega: Bodega) -> None:
    asked = bodega("run", str(TINY_CHAT), "--temperature", "0", "What is 17 times 3?")
    assert (asked.returncode, asked.stdout) == (0, "17 times 3 is 51.\n")


def test_load_takes_parsers_and_tells_what_was_chosen(bodega: Bodega) -> None:
    assert bodega.here("load", str(TINY_CHAT), "--tool-call-parser", "hermes").exit_code == 0
    shown = bodega.here("show", "current").stdout
    assert "told by qwen3" in shown
    assert "told by hermes" in shown
    unknown = bodega.here("load", str(TINY_CHAT), "--lora", "~nobody-of-that-name/adapter")
    assert (unknown.exit_code, "a user who is not known" in unknown.stderr) == (1, True)
    refused = bodega.here("load", str(TINY_CHAT), "--reasoning-parser", "none", "--lora", "/no=2")
    assert (refused.exit_code, "'/no' has no adapter_config.json" in refused.stderr) == (1, True)


def test_a_script_reads_one_json_value_and_nothing_else(bodega: Bodega) -> None:
    commands = (f"load {TINY_CHAT}", "list", "ps", "doctor", "show current", "run current Hello!")
    for command in commands:
        done = bodega.here(*command.split(), "--json")
        assert done.stderr == ""
        assert isinstance(json.loads(done.stdout), dict)


def test_an_error_is_told_on_standard_error_and_by_the_exit_code(bodega: Bodega) -> None:
    missing = bodega.here("show", "acme/nothing", "--json")
    assert (missing.exit_code, missing.stdout) == (1, "")
    assert json.loads(missing.stderr)["error"]["code"] == "model_not_found"
    assert bodega.here("list", "--core", "localhost:1").exit_code == 3
    assert bodega.here("list", "--core", "nowhere").exit_code == 2
    assert bodega.here("run", "current").exit_code == 2
    assert bodega.here("chat").exit_code == 2
