"""A model that goes gives all of its memory back, and so does one that could not be read."""

import asyncio

import mlx.core as mx
import pytest

from bodega.backends.base import Sampling
from bodega.backends.lm import loading
from bodega.backends.registry import prepare_text_model
from bodega.config import LoadParameters
from bodega.engine.engine import Engine
from bodega.engine.request import Generation
from bodega.engine.text_resident import Admission
from bodega.errors import NoModelLoaded
from tests.engine.reader import reader
from tests.models import TINY_CHAT

LEFT_BYTES = 4096
"""What MLX may keep for itself: a model has hundreds of times as much."""


async def built(engine: Engine) -> loading.LmLoading:
    parameters = LoadParameters(model_path=str(TINY_CHAT))
    prepared = await asyncio.to_thread(prepare_text_model, TINY_CHAT, parameters)
    assert isinstance(prepared, loading.LmLoading)
    await engine.run(prepared.build)
    return prepared


async def test_a_model_that_has_answered_goes_whole(engine: Engine) -> None:
    mx.clear_cache()
    before = mx.get_active_memory()
    resident = await engine.open(
        await engine.run((await built(engine)).read),
        Admission(max_concurrency=2, queue_size=0, queue_timeout_s=60),
    )
    request = Generation(prompt=list(range(40)), sampling=Sampling(), max_tokens=3)
    assert [delta async for delta in reader(resident, request)]
    assert mx.get_active_memory() > before + 100 * LEFT_BYTES
    await resident.close(NoModelLoaded(), drain_s=1)
    await engine.close(resident)
    assert mx.get_active_memory() + mx.get_cache_memory() <= before + LEFT_BYTES


async def test_a_model_that_cannot_be_read_leaves_nothing(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    mx.clear_cache()
    before = mx.get_active_memory()
    prepared = await built(engine)

    def fail(model: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(loading, "Forward", fail)
    try:
        await engine.run(prepared.read)
    except RuntimeError as error:
        error.with_traceback(None)
    await engine.discard(prepared)
    assert mx.get_active_memory() + mx.get_cache_memory() <= before + LEFT_BYTES
