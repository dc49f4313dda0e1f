"""Which models are on this machine, how much of each, and where their files are."""

import time
from pathlib import Path

import pytest
from huggingface_hub import constants, scan_cache_dir

from bodega.errors import InvalidModel, InvalidRequest, MissingParameter, ModelNotFound
from bodega.hub.catalog import CachedModel, find_model, list_models
from tests.hub.cache import CONFIG, add_model, index

SHARDS = {"model-00001-of-00002.safetensors": 600, "model-00002-of-00002.safetensors": 400}
FIRST, SECOND = SHARDS


def _only() -> CachedModel:
    (model,) = list_models()
    return model


def test_a_complete_model_is_listed_with_its_facts(cache: Path) -> None:
    before = int(time.time())
    weights = b"w" * 1000
    snapshot = add_model(cache, "org/one", {"config.json": CONFIG, "model.safetensors": weights})
    model = _only()
    assert (model.id, model.owned_by, model.folder) == ("org/one", "org", snapshot)
    assert (model.percent, model.is_complete) == (100.0, True)
    assert model.size_bytes == len(CONFIG) + 1000
    assert before - 1 <= model.created <= time.time() + 1


def test_models_come_by_id_and_other_folders_not_at_all(cache: Path) -> None:
    for model_id in ("zoo/b", "alpha", "org/a"):
        add_model(cache, model_id, {"config.json": CONFIG})
    (cache / "datasets--org--data").mkdir()
    (cache / ".locks").mkdir()
    (cache / "models--a--b--c").mkdir()
    (cache / "models--file").write_text("")
    models = list_models()
    assert [model.id for model in models] == ["alpha", "org/a", "zoo/b"]
    assert [model.owned_by for model in models] == ["local", "org", "zoo"]


def test_ids_and_sizes_are_those_of_the_hubs_own_client(cache: Path) -> None:
    add_model(cache, "org/one", {"config.json": CONFIG, "model.safetensors": b"w" * 100})
    add_model(cache, "two", {"config.json": CONFIG, "sub/tokenizer.json": b"t" * 50})
    theirs = {repo.repo_id: repo.size_on_disk for repo in scan_cache_dir(cache).repos}
    assert {model.id: model.size_bytes for model in list_models()} == theirs


def test_a_missing_shard_makes_a_model_incomplete_by_its_share(cache: Path) -> None:
    files = {"config.json": CONFIG, "model.safetensors.index.json": index(SHARDS)}
    add_model(cache, "org/one", {**files, FIRST: b"1" * 600})
    assert (_only().percent, _only().is_complete) == (60.0, False)
    add_model(cache, "org/one", {SECOND: b"2" * 400})
    assert (_only().percent, _only().is_complete) == (100.0, True)


def test_unfinished_bytes_count_once(cache: Path) -> None:
    files = {"config.json": CONFIG, "model.safetensors.index.json": index(SHARDS)}
    unfinished = {"aaaa.1f": b"2" * 100, "aaaa.2e": b"2" * 200}
    add_model(cache, "org/one", {**files, FIRST: b"1" * 600}, unfinished=unfinished)
    assert (_only().percent, _only().is_complete) == (80.0, False)


def test_what_is_being_fetched_makes_a_model_incomplete_though_nothing_else_tells(
    cache: Path,
) -> None:
    files = {"config.json": CONFIG, "model.safetensors": b"1" * 600}
    add_model(cache, "org/one", files, unfinished={"tokenizer": b"{"})
    assert not _only().is_complete


def test_what_a_killed_try_left_of_a_finished_file_changes_nothing(cache: Path) -> None:
    snapshot = add_model(cache, "org/one", {"config.json": CONFIG, "model.safetensors": b"1" * 600})
    blob = (snapshot / "model.safetensors").resolve()
    blob.with_name(f"{blob.name}.1a2b3c4d.incomplete").write_bytes(b"1" * 10)
    assert _only().is_complete


def test_an_incomplete_model_never_shows_a_hundred_percent(cache: Path) -> None:
    files = {
        "model.safetensors.index.json": index(SHARDS, total_bytes=900),
        FIRST: b"1" * 600,
        SECOND: b"2" * 400,
    }
    add_model(cache, "org/one", files)
    assert not _only().is_complete
    assert 99.0 < _only().percent < 100.0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b'{"weight_map": {}}',
        b'{"weight_map": [1]}',
        b'{"weight_map": {"a": 1}}',
        b'{"weight_map": {"a": "../../../etc/passwd"}}',
        b'{"weight_map": {"a": "/etc/passwd"}}',
        b"[" * 200_000,
    ],
)
def test_a_damaged_index_is_an_incomplete_model(cache: Path, content: bytes) -> None:
    files = {"config.json": CONFIG, "model.safetensors.index.json": content, FIRST: b"1"}
    add_model(cache, "org/one", files)
    assert (_only().percent, _only().is_complete) == (0.0, False)
    with pytest.raises(InvalidModel, match=r"model\.safetensors\.index\.json missing"):
        find_model("org/one")


@pytest.mark.parametrize("total", ["1e999", "-1", '"x"', "0", "null", "NaN"])
def test_an_index_with_a_strange_total_tells_no_percentage(cache: Path, total: str) -> None:
    content = f'{{"metadata": {{"total_size": {total}}}, "weight_map": {{"a": "{FIRST}"}}}}'
    files = {"config.json": CONFIG, "model.safetensors.index.json": content.encode()}
    add_model(cache, "org/one", files)
    assert (_only().percent, _only().is_complete) == (0.0, False)


def test_an_empty_or_absent_cache_has_no_models(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list_models() == []
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache / "nowhere"))
    assert list_models() == []
    with pytest.raises(ModelNotFound):
        find_model("org/one")


def test_a_repository_without_files_is_listed_without_a_folder(cache: Path) -> None:
    (cache / "models--org--one").mkdir()
    model = _only()
    assert (model.folder, model.percent, model.size_bytes) == (None, 0.0, 0)


def test_two_hundred_models_are_listed_in_a_moment(cache: Path) -> None:
    shards = {f"model-{number:05}-of-00004.safetensors": 10 for number in range(4)}
    for number in range(200):
        files = {name: name.encode() for name in shards}
        files |= {"config.json": CONFIG, "model.safetensors.index.json": index(shards)}
        add_model(cache, f"org/model-{number}", files)
    begin = time.perf_counter()
    assert len(list_models()) == 200
    # It takes 90 ms; the bound leaves room for any machine.
    assert time.perf_counter() - begin < 20.0


def test_an_id_finds_the_main_revision(cache: Path) -> None:
    files = {"config.json": CONFIG, "model.safetensors": b"w"}
    main = add_model(cache, "org/one", files)
    add_model(cache, "org/one", files, commit="f" * 40, main=False)
    assert find_model("org/one") == main


def test_an_id_without_a_main_branch_finds_the_revision_that_is_there(cache: Path) -> None:
    files = {"config.json": CONFIG, "model.safetensors": b"w"}
    snapshot = add_model(cache, "org/two", files, main=False)
    assert find_model("org/two") == snapshot


@pytest.mark.parametrize("reference", ["../../../other", "/etc", "", "\x00", "é"])
def test_a_reference_that_leads_elsewhere_is_not_followed(cache: Path, reference: str) -> None:
    snapshot = add_model(cache, "org/one", {"config.json": CONFIG, "model.safetensors": b"w"})
    (cache / "models--org--one" / "refs" / "main").write_text(reference)
    assert find_model("org/one") == snapshot


def test_a_model_that_is_not_here_names_the_command_that_gets_it(cache: Path) -> None:
    add_model(cache, "org/one", {"config.json": CONFIG, "model.safetensors": b"w"})
    for name in ("org/other", "ORG/one", "one"):
        with pytest.raises(ModelNotFound, match=f"bodega pull {name}") as caught:
            find_model(name)
        assert caught.value.param == "model_path"


def test_a_model_that_is_here_in_part_names_what_is_missing(cache: Path) -> None:
    files = {"model.safetensors.index.json": index(SHARDS), FIRST: b"1" * 600}
    add_model(cache, "org/one", files)
    with pytest.raises(InvalidModel) as caught:
        find_model("org/one")
    assert f"config.json, {SECOND} missing" in caught.value.message
    assert "bodega pull org/one" in caught.value.message
    assert str(cache) not in caught.value.message


def test_a_model_with_a_hundred_missing_shards_names_some_and_the_number(cache: Path) -> None:
    shards = {f"model-{number:05}-of-00100.safetensors": 1 for number in range(100)}
    files = {"config.json": CONFIG, "model.safetensors.index.json": index(shards)}
    add_model(cache, "org/one", files)
    with pytest.raises(InvalidModel, match="and 95 more missing"):
        find_model("org/one")


def test_a_link_whose_file_is_gone_is_a_missing_file(cache: Path) -> None:
    snapshot = add_model(cache, "org/one", {"config.json": CONFIG, "model.safetensors": b"w"})
    (snapshot / "model.safetensors").resolve().unlink()
    assert not _only().is_complete
    with pytest.raises(InvalidModel, match=r"model\.safetensors missing"):
        find_model("org/one")


def test_weights_of_another_form_are_left_for_the_loader_to_refuse(cache: Path) -> None:
    snapshot = add_model(cache, "org/one", {"config.json": CONFIG, "pytorch_model.bin": b"w"})
    assert find_model("org/one") == snapshot


def test_a_folder_is_found_by_any_form_of_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models" / "mine"
    folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    names = (str(folder), "models/mine", "./models/mine", "~/models/mine", "models/../models/mine")
    assert all(find_model(name).samefile(folder) for name in names)
    assert all(find_model(name).is_absolute() for name in names)


def test_a_path_that_leads_nowhere_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="There is no folder"):
        find_model(str(tmp_path / "nothing"))


def test_a_gguf_file_is_not_loaded_directly(tmp_path: Path) -> None:
    (tmp_path / "model.GGUF").write_bytes(b"GGUF")
    for name in (str(tmp_path / "model.GGUF"), "~/models/other.gguf"):
        with pytest.raises(InvalidRequest, match=r"not loaded directly.*bodega import"):
            find_model(name)


def test_another_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(InvalidRequest, match="is a file"):
        find_model(str(tmp_path / "model.safetensors"))


@pytest.mark.parametrize(
    "name",
    [
        "../../x",
        "org/../x",
        "%2e%2e/x",
        "org/name\0",
        "a/b/c",
        "org\\name",
        "org--name",
        "-org/name",
        "org/name.git",
        "org/naïve",
        "~nobody-of-that-name/x",
        "a" * 97,
        "a" * 5000,
        " ",
    ],
)
def test_what_can_be_no_id_is_a_bad_request(cache: Path, name: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        find_model(name)
    assert caught.value.param == "model_path"
    assert len(caught.value.message) < 500


def test_no_name_at_all_is_a_missing_parameter() -> None:
    with pytest.raises(MissingParameter):
        find_model("")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a data folder with an imported model, and what an import leaves beside it."""
    folder = tmp_path / "bodega" / "models" / "mine"
    folder.mkdir(parents=True)
    (folder / "config.json").write_bytes(CONFIG)
    (folder / "model.safetensors").write_bytes(b"w" * 50)
    (folder.parent / ".other.partial").mkdir()
    (folder.parent / ".mine.lock").touch()
    (folder.parent / "stray.txt").touch()
    return tmp_path / "bodega"


def test_imported_models_are_listed_and_found_by_their_id(cache: Path, home: Path) -> None:
    add_model(cache, "org/one", {"config.json": CONFIG, "model.safetensors": b"w"})
    mine, other = list_models(home)
    assert (mine.id, mine.owned_by, mine.is_local) == ("mine", "local", True)
    assert (mine.is_complete, mine.percent, mine.size_bytes) == (True, 100.0, len(CONFIG) + 50)
    assert not other.is_local
    assert find_model("mine", home) == mine.folder
    for name in ("Mine", ".other.partial", "stray.txt", "other"):
        with pytest.raises((ModelNotFound, InvalidRequest)):
            find_model(name, home)
    with pytest.raises(ModelNotFound):
        find_model("mine")


def test_an_imported_model_hides_a_cached_one_of_its_name(cache: Path, home: Path) -> None:
    add_model(cache, "mine", {"config.json": CONFIG, "model.safetensors": b"w"})
    (mine,) = list_models(home)
    assert mine.is_local
    assert find_model("mine", home) == mine.folder


def test_an_imported_model_in_part_is_not_complete(cache: Path, home: Path) -> None:
    (home / "models" / "mine" / "model.safetensors").unlink()
    (mine,) = list_models(home)
    assert not mine.is_complete


def test_what_a_model_is_comes_with_it(cache: Path) -> None:
    config = b"""{"architectures": ["Qwen3ForCausalLM"], "max_position_embeddings": 40960,
        "quantization": {"group_size": 64, "bits": 4}}"""
    shards = b"""{"metadata": {"total_size": 1, "total_parameters": 596049920},
        "weight_map": {"a": "model.safetensors"}}"""
    files = {"config.json": config, "model.safetensors.index.json": shards}
    add_model(cache, "org/one", {**files, "model.safetensors": b"w"})
    model = _only()
    assert (model.type, model.quantization) == ("lm", "4-bit")
    assert (model.parameters, model.context_length) == (596049920, 40960)
