from bodega_api.v1 import dialect_pb2 as _dialect_pb2
from bodega_api.v1 import models_pb2 as _models_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ModelType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODEL_TYPE_UNSPECIFIED: _ClassVar[ModelType]
    MODEL_TYPE_LM: _ClassVar[ModelType]

class LoadStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LOAD_STATUS_UNSPECIFIED: _ClassVar[LoadStatus]
    LOAD_STATUS_RESOLVING: _ClassVar[LoadStatus]
    LOAD_STATUS_DOWNLOADING: _ClassVar[LoadStatus]
    LOAD_STATUS_READING: _ClassVar[LoadStatus]
    LOAD_STATUS_WARMING_UP: _ClassVar[LoadStatus]
    LOAD_STATUS_READY: _ClassVar[LoadStatus]

class HealthStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HEALTH_STATUS_UNSPECIFIED: _ClassVar[HealthStatus]
    HEALTH_STATUS_OK: _ClassVar[HealthStatus]
    HEALTH_STATUS_UNHEALTHY: _ClassVar[HealthStatus]

class ModelStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODEL_STATUS_UNSPECIFIED: _ClassVar[ModelStatus]
    MODEL_STATUS_UNINITIALIZED: _ClassVar[ModelStatus]
    MODEL_STATUS_LOADING: _ClassVar[ModelStatus]
    MODEL_STATUS_INITIALIZED: _ClassVar[ModelStatus]
    MODEL_STATUS_UNLOADING: _ClassVar[ModelStatus]
MODEL_TYPE_UNSPECIFIED: ModelType
MODEL_TYPE_LM: ModelType
LOAD_STATUS_UNSPECIFIED: LoadStatus
LOAD_STATUS_RESOLVING: LoadStatus
LOAD_STATUS_DOWNLOADING: LoadStatus
LOAD_STATUS_READING: LoadStatus
LOAD_STATUS_WARMING_UP: LoadStatus
LOAD_STATUS_READY: LoadStatus
HEALTH_STATUS_UNSPECIFIED: HealthStatus
HEALTH_STATUS_OK: HealthStatus
HEALTH_STATUS_UNHEALTHY: HealthStatus
MODEL_STATUS_UNSPECIFIED: ModelStatus
MODEL_STATUS_UNINITIALIZED: ModelStatus
MODEL_STATUS_LOADING: ModelStatus
MODEL_STATUS_INITIALIZED: ModelStatus
MODEL_STATUS_UNLOADING: ModelStatus

class LoadModelRequest(_message.Message):
    __slots__ = ("model_path", "model_id", "model_type", "context_length", "max_concurrency", "queue_timeout", "queue_size", "trust_remote_code", "chat_template_file", "prefix_cache_gb", "kv_cache_gb", "download", "keep_alive", "reasoning_parser", "tool_call_parser", "enable_auto_tool_choice", "lora_paths", "lora_scales")
    MODEL_PATH_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_TYPE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    QUEUE_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    QUEUE_SIZE_FIELD_NUMBER: _ClassVar[int]
    TRUST_REMOTE_CODE_FIELD_NUMBER: _ClassVar[int]
    CHAT_TEMPLATE_FILE_FIELD_NUMBER: _ClassVar[int]
    PREFIX_CACHE_GB_FIELD_NUMBER: _ClassVar[int]
    KV_CACHE_GB_FIELD_NUMBER: _ClassVar[int]
    DOWNLOAD_FIELD_NUMBER: _ClassVar[int]
    KEEP_ALIVE_FIELD_NUMBER: _ClassVar[int]
    REASONING_PARSER_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALL_PARSER_FIELD_NUMBER: _ClassVar[int]
    ENABLE_AUTO_TOOL_CHOICE_FIELD_NUMBER: _ClassVar[int]
    LORA_PATHS_FIELD_NUMBER: _ClassVar[int]
    LORA_SCALES_FIELD_NUMBER: _ClassVar[int]
    model_path: str
    model_id: str
    model_type: ModelType
    context_length: int
    max_concurrency: int
    queue_timeout: int
    queue_size: int
    trust_remote_code: bool
    chat_template_file: str
    prefix_cache_gb: float
    kv_cache_gb: float
    download: bool
    keep_alive: int
    reasoning_parser: str
    tool_call_parser: str
    enable_auto_tool_choice: bool
    lora_paths: _containers.RepeatedScalarFieldContainer[str]
    lora_scales: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, model_path: _Optional[str] = ..., model_id: _Optional[str] = ..., model_type: _Optional[_Union[ModelType, str]] = ..., context_length: _Optional[int] = ..., max_concurrency: _Optional[int] = ..., queue_timeout: _Optional[int] = ..., queue_size: _Optional[int] = ..., trust_remote_code: _Optional[bool] = ..., chat_template_file: _Optional[str] = ..., prefix_cache_gb: _Optional[float] = ..., kv_cache_gb: _Optional[float] = ..., download: _Optional[bool] = ..., keep_alive: _Optional[int] = ..., reasoning_parser: _Optional[str] = ..., tool_call_parser: _Optional[str] = ..., enable_auto_tool_choice: _Optional[bool] = ..., lora_paths: _Optional[_Iterable[str]] = ..., lora_scales: _Optional[_Iterable[float]] = ...) -> None: ...

class LoadModelResponse(_message.Message):
    __slots__ = ("status", "model_id", "model_path", "model_type", "context_length", "load_seconds", "warnings")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_PATH_FIELD_NUMBER: _ClassVar[int]
    MODEL_TYPE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_LENGTH_FIELD_NUMBER: _ClassVar[int]
    LOAD_SECONDS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    status: str
    model_id: str
    model_path: str
    model_type: ModelType
    context_length: int
    load_seconds: float
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, status: _Optional[str] = ..., model_id: _Optional[str] = ..., model_path: _Optional[str] = ..., model_type: _Optional[_Union[ModelType, str]] = ..., context_length: _Optional[int] = ..., load_seconds: _Optional[float] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class LoadProgress(_message.Message):
    __slots__ = ("status", "progress", "message", "download", "loaded")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DOWNLOAD_FIELD_NUMBER: _ClassVar[int]
    LOADED_FIELD_NUMBER: _ClassVar[int]
    status: LoadStatus
    progress: float
    message: str
    download: _models_pb2.DownloadProgress
    loaded: LoadModelResponse
    def __init__(self, status: _Optional[_Union[LoadStatus, str]] = ..., progress: _Optional[float] = ..., message: _Optional[str] = ..., download: _Optional[_Union[_models_pb2.DownloadProgress, _Mapping]] = ..., loaded: _Optional[_Union[LoadModelResponse, _Mapping]] = ...) -> None: ...

class UnloadModelRequest(_message.Message):
    __slots__ = ("abort",)
    ABORT_FIELD_NUMBER: _ClassVar[int]
    abort: bool
    def __init__(self, abort: _Optional[bool] = ...) -> None: ...

class UnloadModelResponse(_message.Message):
    __slots__ = ("status", "model_id")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    status: str
    model_id: str
    def __init__(self, status: _Optional[str] = ..., model_id: _Optional[str] = ...) -> None: ...

class GetCurrentModelRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetCurrentModelResponse(_message.Message):
    __slots__ = ("loaded", "model_info")
    LOADED_FIELD_NUMBER: _ClassVar[int]
    MODEL_INFO_FIELD_NUMBER: _ClassVar[int]
    loaded: bool
    model_info: ModelInfo
    def __init__(self, loaded: _Optional[bool] = ..., model_info: _Optional[_Union[ModelInfo, _Mapping]] = ...) -> None: ...

class ModelInfo(_message.Message):
    __slots__ = ("model_path", "model_id", "model_type", "context_length", "max_concurrency", "queue_timeout", "queue_size", "architecture", "weight_bytes", "loaded_at", "warnings", "keep_alive", "memory", "reasoning_parser", "tool_call_parser", "lora_paths", "lora_scales")
    MODEL_PATH_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_TYPE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    QUEUE_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    QUEUE_SIZE_FIELD_NUMBER: _ClassVar[int]
    ARCHITECTURE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_BYTES_FIELD_NUMBER: _ClassVar[int]
    LOADED_AT_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    KEEP_ALIVE_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    REASONING_PARSER_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALL_PARSER_FIELD_NUMBER: _ClassVar[int]
    LORA_PATHS_FIELD_NUMBER: _ClassVar[int]
    LORA_SCALES_FIELD_NUMBER: _ClassVar[int]
    model_path: str
    model_id: str
    model_type: ModelType
    context_length: int
    max_concurrency: int
    queue_timeout: int
    queue_size: int
    architecture: str
    weight_bytes: int
    loaded_at: int
    warnings: _containers.RepeatedScalarFieldContainer[str]
    keep_alive: int
    memory: Memory
    reasoning_parser: str
    tool_call_parser: str
    lora_paths: _containers.RepeatedScalarFieldContainer[str]
    lora_scales: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, model_path: _Optional[str] = ..., model_id: _Optional[str] = ..., model_type: _Optional[_Union[ModelType, str]] = ..., context_length: _Optional[int] = ..., max_concurrency: _Optional[int] = ..., queue_timeout: _Optional[int] = ..., queue_size: _Optional[int] = ..., architecture: _Optional[str] = ..., weight_bytes: _Optional[int] = ..., loaded_at: _Optional[int] = ..., warnings: _Optional[_Iterable[str]] = ..., keep_alive: _Optional[int] = ..., memory: _Optional[_Union[Memory, _Mapping]] = ..., reasoning_parser: _Optional[str] = ..., tool_call_parser: _Optional[str] = ..., lora_paths: _Optional[_Iterable[str]] = ..., lora_scales: _Optional[_Iterable[float]] = ...) -> None: ...

class Memory(_message.Message):
    __slots__ = ("weight_bytes", "kv_bytes", "kv_budget_bytes", "prefix_cache_bytes", "active_bytes")
    WEIGHT_BYTES_FIELD_NUMBER: _ClassVar[int]
    KV_BYTES_FIELD_NUMBER: _ClassVar[int]
    KV_BUDGET_BYTES_FIELD_NUMBER: _ClassVar[int]
    PREFIX_CACHE_BYTES_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_BYTES_FIELD_NUMBER: _ClassVar[int]
    weight_bytes: int
    kv_bytes: int
    kv_budget_bytes: int
    prefix_cache_bytes: int
    active_bytes: int
    def __init__(self, weight_bytes: _Optional[int] = ..., kv_bytes: _Optional[int] = ..., kv_budget_bytes: _Optional[int] = ..., prefix_cache_bytes: _Optional[int] = ..., active_bytes: _Optional[int] = ...) -> None: ...

class WatchModelRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ModelChange(_message.Message):
    __slots__ = ("model_status", "model_id", "status", "reason")
    MODEL_STATUS_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    model_status: ModelStatus
    model_id: str
    status: HealthStatus
    reason: str
    def __init__(self, model_status: _Optional[_Union[ModelStatus, str]] = ..., model_id: _Optional[str] = ..., status: _Optional[_Union[HealthStatus, str]] = ..., reason: _Optional[str] = ...) -> None: ...

class GetQueueStatsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetQueueStatsResponse(_message.Message):
    __slots__ = ("queue_stats",)
    QUEUE_STATS_FIELD_NUMBER: _ClassVar[int]
    queue_stats: QueueStats
    def __init__(self, queue_stats: _Optional[_Union[QueueStats, _Mapping]] = ...) -> None: ...

class QueueStats(_message.Message):
    __slots__ = ("queue_size", "active_requests", "max_queue_size", "max_concurrency", "queue_timeout", "total_requests", "completed_requests", "cancelled_requests", "failed_requests", "rejected_requests", "prompt_tokens", "completion_tokens", "tokens_per_second", "prefix_cache", "memory", "pauses")
    QUEUE_SIZE_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    MAX_QUEUE_SIZE_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    QUEUE_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    FAILED_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    REJECTED_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    PREFIX_CACHE_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    PAUSES_FIELD_NUMBER: _ClassVar[int]
    queue_size: int
    active_requests: int
    max_queue_size: int
    max_concurrency: int
    queue_timeout: int
    total_requests: int
    completed_requests: int
    cancelled_requests: int
    failed_requests: int
    rejected_requests: int
    prompt_tokens: int
    completion_tokens: int
    tokens_per_second: float
    prefix_cache: PrefixCacheStats
    memory: Memory
    pauses: int
    def __init__(self, queue_size: _Optional[int] = ..., active_requests: _Optional[int] = ..., max_queue_size: _Optional[int] = ..., max_concurrency: _Optional[int] = ..., queue_timeout: _Optional[int] = ..., total_requests: _Optional[int] = ..., completed_requests: _Optional[int] = ..., cancelled_requests: _Optional[int] = ..., failed_requests: _Optional[int] = ..., rejected_requests: _Optional[int] = ..., prompt_tokens: _Optional[int] = ..., completion_tokens: _Optional[int] = ..., tokens_per_second: _Optional[float] = ..., prefix_cache: _Optional[_Union[PrefixCacheStats, _Mapping]] = ..., memory: _Optional[_Union[Memory, _Mapping]] = ..., pauses: _Optional[int] = ...) -> None: ...

class PrefixCacheStats(_message.Message):
    __slots__ = ("hits", "misses", "hit_tokens", "evictions", "entries", "size_bytes")
    HITS_FIELD_NUMBER: _ClassVar[int]
    MISSES_FIELD_NUMBER: _ClassVar[int]
    HIT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    EVICTIONS_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    hits: int
    misses: int
    hit_tokens: int
    evictions: int
    entries: int
    size_bytes: int
    def __init__(self, hits: _Optional[int] = ..., misses: _Optional[int] = ..., hit_tokens: _Optional[int] = ..., evictions: _Optional[int] = ..., entries: _Optional[int] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class GetHealthRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetHealthResponse(_message.Message):
    __slots__ = ("status", "model_id", "model_status", "reason")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_STATUS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    status: HealthStatus
    model_id: str
    model_status: ModelStatus
    reason: str
    def __init__(self, status: _Optional[_Union[HealthStatus, str]] = ..., model_id: _Optional[str] = ..., model_status: _Optional[_Union[ModelStatus, str]] = ..., reason: _Optional[str] = ...) -> None: ...
