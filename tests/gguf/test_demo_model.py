"""The importer on a real file: the demo model knows what it knew before."""

from pathlib import Path

import mlx.core as mx
import pytest
from mlx_lm import generate, load
from mlx_lm.utils import dequantize_model

from bodega.backends.lm.gguf import ensure_imported
from bodega.hub.demo import demo_file, demo_folder
from tests.models.demo import demo_home


@pytest.mark.network
@pytest.mark.timeout(600)
def test_the_demo_model_knows_the_capital_of_france(tmp_path: Path) -> None:
    home = demo_home()
    file = demo_file(home)
    # Where the file is gone, its folder is all there is.
    folder = ensure_imported(file, tmp_path / "demo" if file.exists() else demo_folder(home))
    model, tokenizer, *_ = load(str(folder))
    model = dequantize_model(model)
    model.set_dtype(mx.float32)
    question = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = tokenizer.apply_chat_template(question, add_generation_prompt=True)
    answer = generate(model, tokenizer, prompt, max_tokens=12)
    assert answer == "The capital of France is Paris."
