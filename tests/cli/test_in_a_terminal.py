"""Sessions in a terminal: bars, questions, a conversation, and Ctrl-C."""

from tests.cli.conftest import ANSWER, MODEL, QUESTION
from tests.cli.terminal import WAIT_S, Bodega
from tests.hub.played_hub import PlayedHub
from tests.models import ENDLESS, ENDLESS_UNIT, TINY_CHAT

CTRL_C, CTRL_D = "\x03", "\x04"
ALT_ENTER = "\x1b\r"
PROMPT = r"\x1b\[\?2004h[^>]*>"
TICK = str(ENDLESS[0]["content"])


def test_a_pull_shows_a_bar_and_goes_on_in_the_server_when_it_is_left(
    bodega: Bodega, hub: PlayedHub
) -> None:
    held = hub.faults.hold("model.safetensors", at=300_000)
    with bodega.in_terminal("pull", MODEL) as terminal:
        terminal.expect("Downloading")
        terminal.expect(r"[0-9]+%")
        assert held.reached.wait(WAIT_S)
        terminal.type(CTRL_C)
        terminal.expect(f"bodega pull --cancel {MODEL}")
        assert terminal.end()[0] == 130
    assert MODEL in bodega("ps").stdout
    assert bodega("pull", "--cancel", MODEL).returncode == 0
    held.release.set()


def test_rm_asks_and_a_no_keeps_the_model(bodega: Bodega) -> None:
    assert bodega("pull", MODEL).returncode == 0
    with bodega.in_terminal("rm", MODEL) as terminal:
        terminal.expect(f"Remove {MODEL}, .*y/N")
        terminal.type("n\n")
        assert terminal.end()[0] == 1
    assert MODEL in bodega("list").stdout
    with bodega.in_terminal("rm", MODEL, "--yes") as terminal:
        terminal.expect(f"Removed {MODEL}")
        assert terminal.end()[0] == 0


def test_a_conversation_streams_and_ctrl_c_stops_the_answer_but_not_the_program(
    bodega: Bodega,
) -> None:
    with bodega.in_terminal("chat", str(TINY_CHAT), "--temperature", "0") as terminal:
        terminal.expect("Ctrl-D leaves")
        terminal.expect(PROMPT)
        terminal.type(f"{QUESTION}\r")
        terminal.expect(ANSWER)
        terminal.expect(r"tokens/s\]")
        terminal.expect(PROMPT)
        terminal.type("/new\r")
        terminal.expect("A new conversation")
        terminal.expect(PROMPT)
        terminal.type(f"{TICK}\r")
        terminal.expect(ENDLESS_UNIT)
        terminal.type(CTRL_C)
        terminal.expect(r"\[stopped\]")
        terminal.expect(PROMPT)
        terminal.type(CTRL_C)
        terminal.expect(PROMPT)
        terminal.type(f"one{ALT_ENTER}two")
        terminal.expect("two")
        terminal.type(CTRL_C)
        terminal.expect(PROMPT)
        terminal.type(CTRL_D)
        assert terminal.end()[0] == 0


def test_thinking_is_dim_and_parted_from_the_answer(bodega: Bodega) -> None:
    asked = "What is 17 times 3?"
    with bodega.in_terminal("run", str(TINY_CHAT), "--temperature", "0", asked) as terminal:
        terminal.expect(r"\x1b\[2m")
        terminal.expect(r"\r\n\r\n17 times 3 is 51\.")
        assert terminal.end()[0] == 0


def test_run_ends_with_130_when_its_answer_is_stopped(bodega: Bodega) -> None:
    with bodega.in_terminal("run", str(TINY_CHAT), "--temperature", "0", TICK) as terminal:
        terminal.expect(ENDLESS_UNIT)
        terminal.type(CTRL_C)
        assert terminal.end()[0] == 130
