"""The API's examples run as they are written.

Only what stands for something of the reader's own is put in: the server's address, a folder in
place of a model's id, a file's path, and a body where the text leaves one out.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end import spec_examples as spec
from tests.end_to_end.played_tools import WEATHER, played_tools
from tests.end_to_end.server import Server, serve
from tests.hub.played_hub import PlayedHub
from tests.models import TINY_CHAT, files_of

PutIn = Callable[[str, Server], str]

CONTEXT = 256
"""Short, because what the tiny model makes of questions it has not learned may never end."""

BAD_BODY = '{"model": "current", "messages": []}'
GOOD_BODY = '{"model": "current", "messages": [{"role": "user", "content": "What is 2 + 2?"}]}'


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(home=tmp_path_factory.mktemp("home")) as server:
        yield server
        assert server.stop() == 0


@pytest.fixture
def empty(running: Server) -> Server:
    """Return the server without a model."""
    assert running.post("/v1/admin/unload-model").status_code == 200
    return running


@pytest.fixture
def loaded(running: Server) -> Server:
    """Return the server with the tiny chat model."""
    fields = {"model_path": str(TINY_CHAT), "context_length": CONTEXT}
    assert running.post("/v1/admin/load-model", fields).status_code == 200
    return running


RAPTOR = "SRSWTI/bodega-raptor-8b-mxfp4"


@pytest.fixture(scope="module")
def with_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server whose Hub has the tiny model by the name that the examples use."""
    home = tmp_path_factory.mktemp("home")
    with PlayedHub() as hub:
        hub.add_model(RAPTOR, files_of(TINY_CHAT))
        with serve(home=home, env=hub.environment(home / "hub")) as server:
            yield server


def at(source: str, server: Server) -> str:
    """Return an example with the server's address in it."""
    return source.replace("http://localhost:44468", server.http)


def ours(source: str, server: Server) -> str:
    """Return an example with the server's address and the tiny model's folder in it."""
    source = at(source, server)
    for model in ("SRSWTI/bodega-raptor-8b-mxfp4", "SRSWTI/bodega-raptor-90m"):
        source = source.replace(model, str(TINY_CHAT))
    return source


def run_shell(source: str, server: Server, put_in: PutIn = ours) -> str:
    """Run an example for a terminal and return what it writes."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    done = subprocess.run(
        ["sh", "-ec", put_in(source, server)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def run_python(source: str, server: Server, put_in: PutIn = ours) -> str:
    """Run an example in Python and return what it writes; later ones use an earlier import."""
    if "import requests" not in source:
        source = f"import requests\n{source}"
    done = subprocess.run(
        [sys.executable, "-c", put_in(source, server)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def values(text: str) -> list[Any]:
    """Return the JSON values that stand one after the other in a text."""
    decoder, found, rest = json.JSONDecoder(), [], text.strip()
    while rest:
        value, end = decoder.raw_decode(rest)
        found.append(value)
        rest = rest[end:].strip()
    return found


def assert_like(answer: Any, example: Any) -> None:
    """Check that an answer has all members of an example, with values of the same types."""
    if isinstance(example, dict):
        assert isinstance(answer, dict)
        assert example.keys() <= answer.keys()
        for name, member in example.items():
            assert_like(answer[name], member)
    elif isinstance(example, list):
        assert isinstance(answer, list)
        for item in answer:
            assert_like(item, example[0])
    else:
        assert type(answer) is type(example)


def test_quick_start_with_curl(empty: Server) -> None:
    loaded, answer = values(run_shell(spec.CURL_QUICK_START, empty))
    assert loaded["status"] == "loaded"
    assert loaded["model_path"] == str(TINY_CHAT)
    assert_like(answer, json.loads(spec.CHAT_ANSWER))


def test_quick_start_with_python(empty: Server) -> None:
    loaded, _, answer = run_python(spec.PYTHON_QUICK_START, empty).partition("\n")
    assert "'status': 'loaded'" in loaded
    assert answer.endswith("\n")


def test_a_chat_with_curl(loaded: Server) -> None:
    (answer,) = values(run_shell(spec.CURL_CHAT, loaded))
    assert_like(answer, json.loads(spec.CHAT_ANSWER))
    assert answer["id"].startswith("chatcmpl_")
    assert answer["object"] == "chat.completion"
    assert answer["model"] == "current"
    assert answer["usage"]["total_tokens"] <= CONTEXT


def test_a_chat_with_python(loaded: Server) -> None:
    assert run_python(spec.PYTHON_CHAT, loaded).endswith("\n")
    assert loaded.stats()["completed_requests"] == 1


def test_a_stream_with_curl(loaded: Server) -> None:
    *events, end = run_shell(spec.CURL_STREAM, loaded).removesuffix("\n\n").split("\n\n")
    assert end == "data: [DONE]"
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert chunks[-1]["choices"][0]["finish_reason"] in ("stop", "length")


def test_a_stream_with_python(loaded: Server) -> None:
    run_python(spec.PYTHON_STREAM, loaded)
    assert loaded.stats()["completed_requests"] == 1


def test_loads_with_curl(empty: Server, tmp_path: Path) -> None:
    template = tmp_path / "custom_template.jinja"
    template.write_text("{{ messages[-1].content }}")
    for source in (
        spec.CURL_LOAD,
        spec.CURL_LOAD_CONTEXT,
        spec.CURL_LOAD_TEMPLATE.replace("/path/to/custom_template.jinja", str(template)),
    ):
        (answer,) = values(run_shell(source, empty))
        assert answer["status"] == "loaded"
        assert answer["model_type"] == "lm"


def test_unloading_with_curl(loaded: Server) -> None:
    assert values(run_shell(spec.CURL_UNLOAD, loaded)) == [
        {"status": "unloaded", "model_id": "tiny-chat"}
    ]
    assert loaded.get("/health").status_code == 503


def test_unloading_with_python(loaded: Server) -> None:
    assert "'unloaded'" in run_python(spec.PYTHON_UNLOAD, loaded)
    assert "None" in run_python(spec.PYTHON_UNLOAD, loaded)


def test_the_current_model_with_curl(loaded: Server) -> None:
    (answer,) = values(run_shell(spec.CURL_CURRENT, loaded))
    assert_like(answer, json.loads(spec.CURRENT_ANSWER))
    assert answer["model_info"]["model_path"] == str(TINY_CHAT)


def test_the_current_model_with_python(loaded: Server) -> None:
    assert run_python(spec.PYTHON_CURRENT, loaded) == f"Model: {TINY_CHAT}\nType: lm\n"
    loaded.post("/v1/admin/unload-model")
    assert run_python(spec.PYTHON_CURRENT, loaded) == "No model currently loaded\n"


def test_the_models_with_curl(loaded: Server) -> None:
    (answer,) = values(run_shell(spec.CURL_MODELS, loaded))
    assert_like(answer, json.loads(spec.MODELS_ANSWER))
    assert answer["data"][0]["id"] == "tiny-chat"


def test_the_models_with_python(loaded: Server) -> None:
    lines = run_python(spec.PYTHON_MODELS, loaded).splitlines()
    assert lines[0] == "ID: tiny-chat"
    assert lines[3] == "  Download: 100.0%"


def test_raw_output_and_thinking_with_python(loaded: Server) -> None:
    assert run_python(spec.PYTHON_RAW_OUTPUT, loaded) == ""
    assert "Answer:" in run_python(spec.PYTHON_THINKING, loaded)


def test_tools_with_the_parsers_that_curl_loads(empty: Server) -> None:
    def put_in(source: str, server: Server) -> str:
        source = source.replace("http://localhost:44468/v1/tools", f"{tools}/v1/tools")
        source = source.replace("SRSWTI/axe-turbo-31b", str(TINY_CHAT))
        # What the tiny model knows by heart, and always says.
        source = source.replace("What's the latest news about AI?", "How is the weather in Oslo?")
        source = source.replace('"model": "current"', '"model": "current", "temperature": 0')
        return at(source, server)

    with played_tools() as tools:
        (loaded,) = values(run_shell(spec.CURL_LOAD_WITH_PARSERS, empty, put_in))
        assert loaded["status"] == "loaded"
        written = run_python(spec.PYTHON_TOOLS, empty, put_in).splitlines()
    assert written[0] == f"Tool get_weather result: {WEATHER}"
    assert len(written) > 1


def test_json_mode_with_python(loaded: Server) -> None:
    def put_in(source: str, server: Server) -> str:
        # What the tiny model knows by heart: others it answers without an end.
        source = source.replace("List three colors with their hex codes.", "Describe Ada as JSON.")
        source = source.replace('"role": "system"', '"role": "user"')
        source = source.replace("You are a helpful assistant that outputs JSON.", "Hello!")
        source = source.replace('"model": "current"', '"model": "current", "temperature": 0')
        return at(source, server)

    assert "Ada Lovelace" in run_python(spec.PYTHON_JSON_MODE, loaded, put_in)


def test_health_with_curl(loaded: Server) -> None:
    healthy = json.loads(spec.HEALTHY_ANSWER) | {"model_id": "tiny-chat"}
    assert values(run_shell(spec.CURL_HEALTH, loaded)) == [healthy]
    loaded.post("/v1/admin/unload-model")
    assert values(run_shell(spec.CURL_HEALTH, loaded)) == [json.loads(spec.NO_MODEL_ANSWER)]


def test_the_queue_with_curl(loaded: Server) -> None:
    (answer,) = values(run_shell(spec.CURL_STATS, loaded))
    assert answer["queue_stats"]["queue_size"] == 0
    assert answer["queue_stats"]["active_requests"] == 0


def test_the_queue_with_python(loaded: Server) -> None:
    assert run_python(spec.PYTHON_STATS, loaded) == "Queue size: 0\nActive requests: 0\n"


@pytest.mark.parametrize(
    ("body", "written"),
    [(GOOD_BODY, ""), (BAD_BODY, "Invalid request parameters.\n")],
    ids=["good", "bad"],
)
def test_error_handling_with_python(loaded: Server, body: str, written: str) -> None:
    source = spec.PYTHON_ERRORS.replace("{...}", body)
    assert run_python(source, loaded) == written


def test_error_handling_without_a_model(empty: Server) -> None:
    source = spec.PYTHON_ERRORS.replace("{...}", GOOD_BODY)
    assert run_python(source, empty) == "No model loaded. Load a model first.\n"


def test_downloads_with_curl(with_hub: Server) -> None:
    run_python(spec.PYTHON_DELETE, with_hub, at)
    *events, done = run_shell(spec.CURL_DOWNLOAD_STREAM, with_hub, at).strip().split("\n\n")
    assert done == "data: [DONE]"
    told = [json.loads(event.removeprefix("data: ")) for event in events]
    in_a_file = next(event for event in told if "current_file" in event)
    assert_like(in_a_file, json.loads(spec.PROGRESS_EVENT))
    assert (told[-1]["status"], told[-1]["progress"]) == ("completed", 100)
    (answer,) = values(run_shell(spec.CURL_DOWNLOAD, with_hub, at))
    assert answer["status"] == "downloaded"
    assert answer["model_path"] == RAPTOR
    assert Path(answer["local_path"], "config.json").is_file()
    assert answer["size_gb"] > 0
    assert answer["download_seconds"] > 0


def test_downloads_with_python(with_hub: Server) -> None:
    run_python(spec.PYTHON_DELETE, with_hub, at)
    written = run_python(spec.PYTHON_DOWNLOAD_STREAM, with_hub, at)
    assert "'status': 'downloaded'" in run_python(spec.PYTHON_DOWNLOAD, with_hub, at)
    assert "File: model.safetensors" in written
    assert written.endswith("Status: completed\nProgress: 100.0%\n\n")


def test_the_quick_start_downloads_what_it_loads(with_hub: Server) -> None:
    with_hub.post("/v1/admin/unload-model")
    run_python(spec.PYTHON_DELETE, with_hub, at)
    loaded, answer = values(run_shell(spec.CURL_QUICK_START, with_hub, at))
    assert (loaded["model_id"], loaded["model_path"]) == (RAPTOR, RAPTOR)
    assert_like(answer, json.loads(spec.CHAT_ANSWER))
    (listed,) = values(run_shell(spec.CURL_VERIFY, with_hub, at))
    assert_like(listed, json.loads(spec.MODELS_ANSWER))


def test_deleting_with_curl_and_python(with_hub: Server) -> None:
    with_hub.post("/v1/admin/unload-model")
    run_shell(spec.CURL_DOWNLOAD, with_hub, at)
    (answer,) = values(run_shell(spec.CURL_DELETE, with_hub, at))
    assert answer.pop("freed_bytes") > 0
    assert answer == json.loads(spec.DELETE_ANSWER)
    assert "model_not_found" in run_python(spec.PYTHON_DELETE, with_hub, at)
    assert with_hub.get("/v1/models").json()["data"] == []
