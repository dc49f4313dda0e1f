"""The service bodega.v1.Admin."""

from collections.abc import AsyncIterator
from typing import Any

from bodega_api.v1 import admin_pb2, admin_pb2_grpc

from bodega.backends.base import PrefixStats
from bodega.config import AUTO_PARSER, LoadParameters
from bodega.engine.memory_use import MemoryUse
from bodega.errors import InvalidRequest
from bodega.rpc.call import Context
from bodega.rpc.models import download_progress
from bodega.rpc.ranges import check_ranges
from bodega.services.health import HealthService
from bodega.services.load import LoadProgress, LoadStage
from bodega.services.loaded_model import LoadedModel
from bodega.services.residency import ModelState, Residency

_STATES = {
    ModelState.UNINITIALIZED: admin_pb2.MODEL_STATUS_UNINITIALIZED,
    ModelState.LOADING: admin_pb2.MODEL_STATUS_LOADING,
    ModelState.INITIALIZED: admin_pb2.MODEL_STATUS_INITIALIZED,
    ModelState.UNLOADING: admin_pb2.MODEL_STATUS_UNLOADING,
}

_STAGES = {
    LoadStage.RESOLVING: (admin_pb2.LOAD_STATUS_RESOLVING, "Looking at the model's files."),
    LoadStage.DOWNLOADING: (admin_pb2.LOAD_STATUS_DOWNLOADING, "Downloading the model."),
    LoadStage.READING: (admin_pb2.LOAD_STATUS_READING, "Reading the weights."),
    LoadStage.WARMING_UP: (
        admin_pb2.LOAD_STATUS_WARMING_UP,
        "Running the model for the first time.",
    ),
}


class AdminServicer(admin_pb2_grpc.AdminServicer):
    """Serves loading, unloading and the state of the server."""

    def __init__(self, residency: Residency, health: HealthService) -> None:
        self._residency = residency
        self._health = health

    async def LoadModel(
        self, request: admin_pb2.LoadModelRequest, context: Context
    ) -> admin_pb2.LoadModelResponse:
        """Load a model in place of the loaded one."""
        return _load_response(await self._residency.load(load_parameters(request)))

    async def StreamLoadModel(
        self, request: admin_pb2.LoadModelRequest, context: Context
    ) -> AsyncIterator[admin_pb2.LoadProgress]:
        """Load a model in place of the loaded one, and tell how far it is."""
        load = self._residency.begin_load(load_parameters(request))
        async for progress in load.progress.follow():
            if progress.stage is not LoadStage.READY:
                yield _load_progress(progress)
        loaded = await self._residency.wait(load)
        yield admin_pb2.LoadProgress(
            status=admin_pb2.LOAD_STATUS_READY,
            progress=100.0,
            message=f"{loaded.model_id} serves.",
            loaded=_load_response(loaded),
        )

    async def UnloadModel(
        self, request: admin_pb2.UnloadModelRequest, context: Context
    ) -> admin_pb2.UnloadModelResponse:
        """Unload the loaded model."""
        model_id = await self._residency.unload(abort=request.abort)
        return admin_pb2.UnloadModelResponse(status="unloaded", model_id=model_id)

    async def GetCurrentModel(
        self, request: admin_pb2.GetCurrentModelRequest, context: Context
    ) -> admin_pb2.GetCurrentModelResponse:
        """Tell which model is loaded and how."""
        loaded = self._residency.current
        if loaded is None:
            return admin_pb2.GetCurrentModelResponse(loaded=False)
        return admin_pb2.GetCurrentModelResponse(loaded=True, model_info=_model_info(loaded))

    async def WatchModel(
        self, request: admin_pb2.WatchModelRequest, context: Context
    ) -> AsyncIterator[admin_pb2.ModelChange]:
        """Tell what the model does, now and at every change."""
        async for health in self._health.changes.follow():
            yield admin_pb2.ModelChange(
                model_status=_STATES[health.state],
                model_id=health.model_id,
                status=_health_status(health.can_answer),
                reason=health.reason,
            )

    async def GetQueueStats(
        self, request: admin_pb2.GetQueueStatsRequest, context: Context
    ) -> admin_pb2.GetQueueStatsResponse:
        """Tell how many requests run and wait."""
        loaded = self._residency.current
        stats = admin_pb2.QueueStats() if loaded is None else _queue_stats(loaded)
        return admin_pb2.GetQueueStatsResponse(queue_stats=stats)

    async def GetHealth(
        self, request: admin_pb2.GetHealthRequest, context: Context
    ) -> admin_pb2.GetHealthResponse:
        """Tell whether the server can answer a chat now."""
        health = self._health.now()
        return admin_pb2.GetHealthResponse(
            status=_health_status(health.can_answer),
            model_id=health.model_id,
            model_status=_STATES[health.state],
            reason=health.reason,
        )


def _health_status(can_answer: bool) -> admin_pb2.HealthStatus:
    return admin_pb2.HEALTH_STATUS_OK if can_answer else admin_pb2.HEALTH_STATUS_UNHEALTHY


def _load_response(loaded: LoadedModel) -> admin_pb2.LoadModelResponse:
    return admin_pb2.LoadModelResponse(
        status="loaded",
        model_id=loaded.model_id,
        model_path=loaded.parameters.model_path,
        model_type=admin_pb2.MODEL_TYPE_LM,
        context_length=loaded.context_length,
        load_seconds=round(loaded.load_seconds, 3),
        warnings=loaded.resident.info.warnings,
    )


def _load_progress(progress: LoadProgress) -> admin_pb2.LoadProgress:
    status, message = _STAGES[progress.stage]
    download = progress.download
    return admin_pb2.LoadProgress(
        status=status,
        progress=round(100.0 * progress.fraction, 1),
        message=message,
        download=download_progress(download) if download is not None else None,
    )


def load_parameters(request: admin_pb2.LoadModelRequest) -> LoadParameters:
    """Return the load parameters of a request, with the defaults of what it leaves out.

    Raises:
        InvalidRequest: a field is out of range, or of a type that is not served.
    """
    check_ranges(request)
    if request.model_type not in (
        admin_pb2.MODEL_TYPE_UNSPECIFIED,
        admin_pb2.MODEL_TYPE_LM,
    ):
        raise InvalidRequest("Only models of type lm are served.", param="model_type")
    given: dict[str, Any] = {
        ours: getattr(request, theirs)
        for theirs, ours in (
            ("model_id", "model_id"),
            ("context_length", "context_length"),
            ("max_concurrency", "max_concurrency"),
            ("queue_timeout", "queue_timeout_s"),
            ("queue_size", "queue_size"),
            ("trust_remote_code", "trust_remote_code"),
            ("chat_template_file", "chat_template_file"),
            ("kv_cache_gb", "kv_cache_gb"),
            ("prefix_cache_gb", "prefix_cache_gb"),
            ("download", "download"),
            ("keep_alive", "keep_alive_s"),
            ("reasoning_parser", "reasoning_parser"),
            ("tool_call_parser", "tool_call_parser"),
        )
        if request.HasField(theirs)
    }
    if request.enable_auto_tool_choice:
        given.setdefault("tool_call_parser", AUTO_PARSER)
    return LoadParameters(
        model_path=request.model_path,
        lora_paths=tuple(request.lora_paths),
        lora_scales=tuple(request.lora_scales),
        **given,
    )


def _model_info(loaded: LoadedModel) -> admin_pb2.ModelInfo:
    parameters, info = loaded.parameters, loaded.resident.info
    return admin_pb2.ModelInfo(
        model_path=parameters.model_path,
        model_id=loaded.model_id,
        model_type=admin_pb2.MODEL_TYPE_LM,
        context_length=info.context_length,
        max_concurrency=parameters.max_concurrency,
        queue_timeout=parameters.queue_timeout_s,
        queue_size=parameters.queue_size,
        architecture=info.architecture,
        weight_bytes=info.weight_bytes,
        loaded_at=loaded.loaded_at,
        warnings=info.warnings,
        keep_alive=parameters.keep_alive_s,
        memory=_memory(loaded.resident.memory),
        reasoning_parser=loaded.reasoning_parser,
        tool_call_parser=loaded.tool_call_parser,
        lora_paths=parameters.lora_paths,
        lora_scales=[scale for _, scale in parameters.adapters],
    )


def _queue_stats(loaded: LoadedModel) -> admin_pb2.QueueStats:
    resident, traffic = loaded.resident, loaded.resident.traffic
    return admin_pb2.QueueStats(
        queue_size=resident.waiting,
        active_requests=resident.active,
        max_queue_size=loaded.parameters.queue_size,
        max_concurrency=loaded.parameters.max_concurrency,
        queue_timeout=loaded.parameters.queue_timeout_s,
        total_requests=traffic.total_requests,
        completed_requests=traffic.completed_requests,
        cancelled_requests=traffic.cancelled_requests,
        failed_requests=traffic.failed_requests,
        rejected_requests=traffic.rejected_requests,
        prompt_tokens=traffic.prompt_tokens,
        completion_tokens=traffic.completion_tokens,
        tokens_per_second=traffic.tokens_per_second,
        prefix_cache=_prefix_cache_stats(resident.prefix_stats),
        memory=_memory(resident.memory),
        pauses=traffic.pauses,
    )


def _memory(use: MemoryUse) -> admin_pb2.Memory:
    return admin_pb2.Memory(
        weight_bytes=use.weight_bytes,
        kv_bytes=use.kv_bytes,
        kv_budget_bytes=use.kv_budget_bytes,
        prefix_cache_bytes=use.prefix_cache_bytes,
        active_bytes=use.active_bytes,
    )


def _prefix_cache_stats(stats: PrefixStats) -> admin_pb2.PrefixCacheStats:
    return admin_pb2.PrefixCacheStats(
        hits=stats.hits,
        misses=stats.misses,
        hit_tokens=stats.hit_tokens,
        evictions=stats.evictions,
        entries=stats.entries,
        size_bytes=stats.size_bytes,
    )
