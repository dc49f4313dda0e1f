"""An import's folder appears whole or not at all, from one file or from several."""

import json
import os
import shutil
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bodega.backends.lm.gguf import (
    ensure_imported,
    import_gguf,
    import_steps,
    read_gguf_summary,
    weights,
)
from bodega.backends.registry import (
    import_gguf_steps,
    prepare_device,
    prepare_text_model,
    release_device,
)
from bodega.backends.registry import read_gguf_summary as read_summary
from bodega.config import LoadParameters
from bodega.engine.engine import Engine
from bodega.errors import InsufficientDisk, InvalidModel, InvalidRequest
from tests.gguf.loaded import logits, run
from tests.gguf.tiny_models import TinyModel, tiny_model
from tests.gguf.writer import write_gguf


@pytest.fixture
def model() -> TinyModel:
    """Return a model that would be imported."""
    return tiny_model("llama", kinds={"": "Q4_0"})


def test_the_folder_has_what_a_model_has_and_says_where_it_is_from(
    tmp_path: Path, model: TinyModel
) -> None:
    file = model.write(tmp_path / "tiny.gguf")
    import_gguf(file, tmp_path / "tiny")
    assert sorted(path.name for path in (tmp_path / "tiny").iterdir()) == [
        "config.json",
        "generation_config.json",
        "import.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    origin = json.loads((tmp_path / "tiny" / "import.json").read_text())
    size = file.stat().st_size
    assert origin["files"] == [{"name": "tiny.gguf", "size_bytes": size}]


def test_a_file_that_may_not_be_written_is_read_all_the_same(
    tmp_path: Path, model: TinyModel
) -> None:
    file = model.write(tmp_path / "tiny.gguf")
    content = file.read_bytes()
    file.chmod(0o400)
    import_gguf(file, tmp_path / "tiny")
    assert file.read_bytes() == content


def test_a_job_tells_how_far_it_is(
    tmp_path: Path, model: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "PIECE_WEIGHTS", 4_096)
    file = model.write(tmp_path / "tiny.gguf")
    pieces = list(import_steps(file, tmp_path / "tiny"))
    done = [piece.done for piece in pieces]
    assert done == sorted(done)
    assert done[-1] == 1.0
    assert len({round(share, 1) for share in done}) > 8
    assert all(piece.limit_s > 0 for piece in pieces)


def test_the_job_of_the_registry_returns_what_differs_and_imports_once(
    tmp_path: Path,
) -> None:
    sizes = {"hidden": 64, "feed_forward": 128}
    model = tiny_model("llama", kinds={"": "IQ4_NL"}, sizes=sizes)
    file = model.write(tmp_path / "tiny.gguf")
    [warning] = run(import_gguf_steps(file, tmp_path / "tiny")())
    assert "IQ4_NL" in warning
    assert run(import_gguf_steps(file, tmp_path / "tiny")()) == ()
    assert run(import_gguf_steps(file, tmp_path / "small", quantize="4")()) == ()


async def test_the_engine_imports_a_file_and_loads_the_model(
    tmp_path: Path, model: TinyModel
) -> None:
    file = model.write(tmp_path / "tiny.gguf")
    told: list[float] = []
    engine = Engine(prepare=prepare_device, release=release_device)
    engine.start()
    try:
        await engine.run(import_gguf_steps(file, tmp_path / "tiny"), progress=told.append)
        loading = prepare_text_model(
            tmp_path / "tiny", LoadParameters(model_path="tiny", context_length=256)
        )
        await engine.run(loading.build)
        loaded = await engine.run(loading.read)
        assert loaded.info.architecture == "llama"
    finally:
        await engine.stop()
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_a_folder_that_is_there_is_never_written_over(tmp_path: Path, model: TinyModel) -> None:
    (tmp_path / "tiny").mkdir()
    with pytest.raises(InvalidRequest):
        import_gguf(model.write(tmp_path / "tiny.gguf"), tmp_path / "tiny")
    assert list((tmp_path / "tiny").iterdir()) == []


def test_a_file_cut_off_while_it_is_read_leaves_no_folder(tmp_path: Path, model: TinyModel) -> None:
    file = model.write(tmp_path / "tiny.gguf")
    job = import_steps(file, tmp_path / "tiny")
    while next(job).done == 0:
        pass
    os.truncate(file, file.stat().st_size - 20_000)
    with pytest.raises(InvalidModel, match="cut off while it was read"):
        list(job)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".tiny.lock", "tiny.gguf"]


def test_a_full_disk_is_named_and_leaves_no_folder(
    tmp_path: Path, model: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        # As MLX does.
        raise RuntimeError("[write] Unable to write 99 bytes to file.")

    file = model.write(tmp_path / "tiny.gguf")
    monkeypatch.setattr(weights.mx, "save_safetensors", fail)
    with pytest.raises(RuntimeError):
        import_gguf(file, tmp_path / "tiny")
    full = shutil.disk_usage(tmp_path)._replace(free=99)
    monkeypatch.setattr(weights.shutil, "disk_usage", lambda _: full)
    with pytest.raises(InsufficientDisk, match="99 are free"):
        import_gguf(file, tmp_path / "tiny")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".tiny.lock", "tiny.gguf"]


def test_a_job_that_is_left_leaves_no_folder(tmp_path: Path, model: TinyModel) -> None:
    job = import_steps(model.write(tmp_path / "tiny.gguf"), tmp_path / "tiny")
    while next(job).done == 0:
        pass
    assert (tmp_path / ".tiny.partial").exists()
    job.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".tiny.lock", "tiny.gguf"]


def test_what_a_killed_import_left_is_cleared_away(tmp_path: Path, model: TinyModel) -> None:
    (tmp_path / ".tiny.partial").mkdir()
    (tmp_path / ".tiny.partial" / "model.safetensors").write_bytes(b"half")
    import_gguf(model.write(tmp_path / "tiny.gguf"), tmp_path / "tiny")
    assert not (tmp_path / ".tiny.partial").exists()
    assert (tmp_path / "tiny" / "model.safetensors").stat().st_size > 4


def test_ensure_imported_imports_once(tmp_path: Path, model: TinyModel) -> None:
    file = model.write(tmp_path / "tiny.gguf")
    folder = ensure_imported(file, tmp_path / "tiny")
    file.unlink()
    assert ensure_imported(file, tmp_path / "tiny") == folder
    shutil.rmtree(folder)
    with pytest.raises(InvalidModel):
        ensure_imported(file, folder)


def test_memory_stays_bounded_however_large_a_tensor_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {"hidden": 512, "feed_forward": 8192, "head": 128}
    model = tiny_model("llama", kinds={"": "Q6_K"}, sizes=sizes)
    file = model.write(tmp_path / "m.gguf")
    assert file.stat().st_size > 20_000_000
    monkeypatch.setattr(weights, "PIECE_WEIGHTS", 64 * 1024)
    # Held by MLX, which is not traced, and by Python for the header and the tokenizer.
    tracemalloc.start()
    try:
        import_gguf(file, tmp_path / "m", "4")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000


def _split(model: TinyModel, folder: Path, count: int = 3) -> list[Path]:
    """Write a model as so many files, the metadata in the first."""
    names = list(model.tensors)
    files = []
    for part in range(count):
        own = {name: model.tensors[name] for name in names[part::count]}
        metadata: dict[str, Any] = {} if part else dict(model.metadata)
        metadata |= {"split.no": part, "split.count": count, "split.tensors.count": len(names)}
        files.append(folder / f"tiny-{part + 1:05}-of-{count:05}.gguf")
        write_gguf(files[-1], metadata, own)
    return files


@pytest.mark.parametrize("given", [0, 2])
def test_a_split_model_is_imported_whole_whichever_part_is_given(
    tmp_path: Path, model: TinyModel, given: int
) -> None:
    import_gguf(model.write(tmp_path / "one.gguf"), tmp_path / "one")
    files = _split(model, tmp_path)
    import_gguf(files[given], tmp_path / "split")
    np.testing.assert_array_equal(logits(tmp_path / "split"), logits(tmp_path / "one"))
    origin = json.loads((tmp_path / "split" / "import.json").read_text())
    assert [file["name"] for file in origin["files"]] == [file.name for file in files]


def test_a_missing_part_is_named(tmp_path: Path, model: TinyModel) -> None:
    files = _split(model, tmp_path)
    files[1].unlink()
    with pytest.raises(InvalidModel, match=r"tiny-00002-of-00003\.gguf"):
        read_gguf_summary(files[0])


def test_parts_of_other_models_and_renamed_ones_are_refused(
    tmp_path: Path, model: TinyModel
) -> None:
    files = _split(model, tmp_path)
    renamed = files[0].rename(tmp_path / "first.gguf")
    with pytest.raises(InvalidModel, match="llama-gguf-split --merge"):
        read_gguf_summary(renamed)
    shutil.copyfile(files[1], files[0])
    with pytest.raises(InvalidModel, match="not a part of this model"):
        read_gguf_summary(files[0])


def test_a_file_is_told_of_by_its_header_alone(tmp_path: Path, model: TinyModel) -> None:
    file = model.changed(general__file_type=15).write(tmp_path / "tiny.gguf")
    summary = read_summary(file)
    assert (summary.architecture, summary.known, summary.name) == ("llama", True, "Tiny llama")
    assert summary.parameters == sum(array.size for array in model.parameters().values())
    assert (summary.quantization, summary.context_length) == ("Q4_K_M", 512)
    assert summary.files == (file,)
    other = model.changed(general__architecture="mamba", general__name=None)
    summary = read_summary(other.write(tmp_path / "other.gguf"))
    assert (summary.architecture, summary.known, summary.name) == ("mamba", False, "other")
    assert (summary.quantization, summary.context_length) == ("Q4_0", None)
