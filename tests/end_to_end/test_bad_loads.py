"""Models that cannot be loaded: refused with what to do, while the old one goes on serving."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.end_to_end.damaged_models import CONFIG, DAMAGED, UNSUPPORTED, changed
from tests.end_to_end.grpc_client import ReflectionClient
from tests.end_to_end.refusals import grpc_refusal, refusal
from tests.end_to_end.server import Json, Server, serve
from tests.models import TINY_CHAT, TRANSCRIPTS

HELLO = next(one for one in TRANSCRIPTS if one.name == "hello")
INVALID = grpc.StatusCode.INVALID_ARGUMENT
FAILED = grpc.StatusCode.FAILED_PRECONDITION
STATUSES = {
    INVALID: 400,
    FAILED: 400,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.PERMISSION_DENIED: 403,
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server that has a model loaded and does not let code of models run."""
    home = tmp_path_factory.mktemp("home")
    with serve("--model", str(TINY_CHAT), home=home) as running:
        yield running
        assert running.stop() == 0


@pytest.fixture
def server(loaded: Server) -> Iterator[Server]:
    """Return a server whose model must be the same after the test, and answer."""
    before = loaded.loaded_model()
    yield loaded
    assert loaded.loaded_model() == before
    answer = loaded.chat(messages=list(HELLO.messages)).json()
    assert answer["choices"][0]["message"]["content"] == HELLO.answer


def load(server: Server, fields: Json) -> Any:
    """POST a load request."""
    return server.post("/v1/admin/load-model", fields)


def refused_alike(
    server: Server, fields: Json, status: grpc.StatusCode, code: str, param: str
) -> str:
    """Check that HTTP and gRPC refuse a load with the same words, and return them."""
    message = refusal(load(server, fields), STATUSES[status], code, param)
    with server.channel() as channel:
        client = ReflectionClient(channel)
        said = grpc_refusal(lambda: client.unary("Admin.LoadModel", fields), status, code, param)
    assert said == message
    return message


def test_a_load_of_nothing_is_refused(server: Server) -> None:
    for fields in ({}, {"model_path": ""}):
        refused_alike(server, fields, INVALID, "missing_parameter", "model_path")
    refusal(load(server, {"model_path": None}), 400, "missing_parameter", "model_path")
    refusal(load(server, {"model_path": 5}), 400, "invalid_value", "model_path")


@pytest.mark.parametrize("name", ["no-such-model", "SRSWTI/bodega-raptor-8b-mxfp4", "current"])
def test_an_id_that_is_not_in_the_cache_is_404_with_how_to_get_it(
    server: Server, name: str
) -> None:
    message = refused_alike(
        server, {"model_path": name}, grpc.StatusCode.NOT_FOUND, "model_not_found", "model_path"
    )
    assert f"bodega pull {name}" in message


def test_a_folder_that_is_not_there_is_404(server: Server) -> None:
    for name in ("/no/such/folder", "/no/such\r\nfolder", "/" + "x/" * 900):
        refused_alike(
            server, {"model_path": name}, grpc.StatusCode.NOT_FOUND, "model_not_found", "model_path"
        )


@pytest.mark.parametrize(
    "name",
    [
        *("no such id", "a/b/c", "../../no/such/folder", "a--b", "a\r\nb", "a\0b", "-", "a..b"),
        *("~no_such_user/model", "x" * 97, "x" * 4096, "x" * 5000, "é/ü", "http://example.com/m"),
        *("%2e%2e/x", "models--a--b", "file:///etc", "a/b@main", "a/b.git", ".hidden", "/" * 5000),
    ],
)
def test_a_name_that_is_no_path_and_no_id_is_refused(server: Server, name: str) -> None:
    refused_alike(server, {"model_path": name}, INVALID, "invalid_value", "model_path")


def test_a_file_is_no_model(server: Server) -> None:
    message = refused_alike(
        server,
        {"model_path": str(TINY_CHAT / "config.json")},
        INVALID,
        "invalid_value",
        "model_path",
    )
    assert "folder" in message


@pytest.mark.parametrize("exists", [True, False])
def test_a_gguf_file_is_refused_with_the_name_of_the_importer(
    server: Server, tmp_path: Path, exists: bool
) -> None:
    file = tmp_path / "model.GGUF"
    if exists:
        file.write_bytes(b"GGUF")
    message = refused_alike(
        server, {"model_path": str(file)}, INVALID, "invalid_value", "model_path"
    )
    assert "bodega import" in message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("context_length", value) for value in (0, -1)],
        *[("max_concurrency", value) for value in (0, -1, 1025)],
        *[("queue_timeout", value) for value in (0, 86_401)],
        *[("queue_size", value) for value in (-1, 100_001)],
        *[("model_id", value) for value in ("", "x" * 97, "current", "a\nb", "\x1b[2J")],
        *[("chat_template_file", value) for value in ("/no/such/file", "/", "a\0b", "~nobody_/x")],
    ],
)
def test_a_parameter_out_of_range_is_refused(server: Server, field: str, value: Any) -> None:
    fields = {"model_path": str(TINY_CHAT), field: value}
    refused_alike(server, fields, INVALID, "invalid_value", field)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("context_length", value) for value in (2**31, 1.5, "8192", True)],
        *[("model_type", value) for value in ("llm", "LM", 1, ["lm"])],
        *[("trust_remote_code", value) for value in ("true", 1)],
        *[("model_id", value) for value in (5, ["x"])],
    ],
)
def test_a_parameter_of_another_type_is_refused(server: Server, field: str, value: Any) -> None:
    fields = {"model_path": str(TINY_CHAT), field: value}
    refusal(load(server, fields), 400, "invalid_value", field)


UNSERVED: list[tuple[str, Any]] = [
    *[
        ("model_type", kind)
        for kind in ("multimodal", "embeddings", "whisper", "image-generation", "image-edit")
    ],
    ("quantize", 4),
    ("config_name", "flux-schnell"),
    ("disable_auto_resize", True),
]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tool_call_parser", "nothing"),
        ("reasoning_parser", "qwen3_coder"),
        ("lora_scales", [1.0]),
    ],
)
def test_parsers_that_there_are_not_and_scales_of_nothing_are_refused(
    server: Server, field: str, value: Any
) -> None:
    answer = load(server, {"model_path": str(TINY_CHAT), field: value})
    message = refusal(answer, 400, "invalid_value", field)
    assert "parser" not in field or "harmony" in message


@pytest.mark.parametrize(("field", "value"), UNSERVED)
def test_what_is_not_served_yet_is_refused_by_name(server: Server, field: str, value: Any) -> None:
    answer = load(server, {"model_path": str(TINY_CHAT), field: value})
    assert field in refusal(answer, 400, "unsupported_parameter", field)


def test_over_grpc_a_type_that_is_not_served_is_refused(server: Server) -> None:
    with server.channel() as channel:
        client = ReflectionClient(channel)
        request = {"model_path": str(TINY_CHAT), "model_type": 77}
        grpc_refusal(
            lambda: client.unary("Admin.LoadModel", request), INVALID, "invalid_value", "model_type"
        )


def test_code_of_a_model_does_not_run_unless_the_operator_lets_it(
    server: Server, tmp_path: Path
) -> None:
    folder, ran = with_code(tmp_path)
    fields = {"model_path": str(folder), "trust_remote_code": True}
    message = refused_alike(
        server,
        fields,
        grpc.StatusCode.PERMISSION_DENIED,
        "remote_code_not_allowed",
        "trust_remote_code",
    )
    assert "--allow-remote-code" in message
    message = refused_alike(
        server, {"model_path": str(folder)}, FAILED, "unsupported_model", "model_path"
    )
    assert "--allow-remote-code" in message
    assert not ran.exists()


def with_code(tmp_path: Path) -> tuple[Path, Path]:
    """Return a model's folder whose code would leave a trace, and where."""
    ran = tmp_path / "ran"
    folder = changed(tmp_path, "config.json", {**CONFIG, "model_file": "model.py"})
    code = f"open({str(ran)!r}, 'w').close()\n"
    for name in ("model.py", "tokenization.py", "modeling.py", "__init__.py"):
        (folder / name).write_text(code)
    return folder, ran


def test_code_beside_a_model_that_needs_none_is_not_touched(loaded: Server, tmp_path: Path) -> None:
    folder, ran = with_code(tmp_path)
    map_ = {"AutoConfig": "modeling.C", "AutoModelForCausalLM": "modeling.M"}
    (folder / "config.json").write_text(json.dumps({**CONFIG, "auto_map": map_}))
    assert load(loaded, {"model_path": str(folder)}).status_code == 200
    assert not ran.exists()
    assert load(loaded, {"model_path": str(TINY_CHAT)}).status_code == 200


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_folder_is_refused_and_what_is_wrong_named(
    server: Server, tmp_path: Path, case: str
) -> None:
    name, content, named = DAMAGED[case]
    folder = changed(tmp_path, name, content)
    answer = load(server, {"model_path": str(folder)})
    message = refusal(answer, 400, "invalid_model", "model_path")
    assert named in message
    assert str(tmp_path) not in message


@pytest.mark.parametrize("case", UNSUPPORTED)
def test_a_model_of_an_unknown_kind_is_refused_and_the_kind_named(
    server: Server, tmp_path: Path, case: str
) -> None:
    name, content, named = UNSUPPORTED[case]
    folder = changed(tmp_path, name, content)
    answer = load(server, {"model_path": str(folder)})
    assert named in refusal(answer, 400, "unsupported_model", "model_path")


def make_large(file: Path) -> None:
    file.write_bytes(b" " * (1024 * 1024 + 1))


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda file: file.write_text("{% if %}"), "invalid_model"),
        (lambda file: file.write_text("{{ 'x"), "invalid_model"),
        (lambda file: file.write_bytes(b"\xff\xfe"), "invalid_value"),
        (lambda file: file.mkdir(), "invalid_value"),
        (make_large, "invalid_value"),
    ],
    ids=["no end", "an open quote", "no text", "a folder", "too large"],
)
def test_a_template_file_that_cannot_be_used_is_refused(
    server: Server, tmp_path: Path, make: Callable[[Path], object], code: str
) -> None:
    file = tmp_path / "template.jinja"
    make(file)
    fields = {"model_path": str(TINY_CHAT), "chat_template_file": str(file)}
    status = FAILED if code == "invalid_model" else INVALID
    refused_alike(server, fields, status, code, "chat_template_file")


def test_a_load_may_say_all_defaults_of_what_is_not_served(loaded: Server) -> None:
    fields: Json = dict.fromkeys(field for field, _ in UNSERVED)
    answer = load(loaded, {"model_path": str(TINY_CHAT), **fields, "colour": "red"})
    assert answer.status_code == 200
    assert answer.headers["Bodega-Ignored-Fields"] == "colour"
    fields |= {"model_type": "lm", "quantize": 8, "lora_paths": [], "lora_scales": []}
    fields |= {"disable_auto_resize": False, "enable_auto_tool_choice": False}
    assert load(loaded, {"model_path": str(TINY_CHAT), **fields}).status_code == 200


def test_no_load_left_anything_behind(server: Server) -> None:
    assert server.get("/health").status_code == 200
    assert [model["id"] for model in server.get("/v1/models").json()["data"]] == ["tiny-chat"]
