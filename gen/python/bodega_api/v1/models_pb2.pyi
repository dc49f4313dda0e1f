from bodega_api.v1 import dialect_pb2 as _dialect_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GuessedType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GUESSED_TYPE_UNSPECIFIED: _ClassVar[GuessedType]
    GUESSED_TYPE_LM: _ClassVar[GuessedType]
    GUESSED_TYPE_MULTIMODAL: _ClassVar[GuessedType]
    GUESSED_TYPE_EMBEDDINGS: _ClassVar[GuessedType]
    GUESSED_TYPE_WHISPER: _ClassVar[GuessedType]
    GUESSED_TYPE_IMAGE_GENERATION: _ClassVar[GuessedType]

class DownloadStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DOWNLOAD_STATUS_UNSPECIFIED: _ClassVar[DownloadStatus]
    DOWNLOAD_STATUS_DOWNLOADING: _ClassVar[DownloadStatus]
    DOWNLOAD_STATUS_VERIFYING: _ClassVar[DownloadStatus]
    DOWNLOAD_STATUS_COMPLETED: _ClassVar[DownloadStatus]

class ImportQuantization(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    IMPORT_QUANTIZATION_UNSPECIFIED: _ClassVar[ImportQuantization]
    IMPORT_QUANTIZATION_NONE: _ClassVar[ImportQuantization]
    IMPORT_QUANTIZATION_4: _ClassVar[ImportQuantization]
    IMPORT_QUANTIZATION_8: _ClassVar[ImportQuantization]
    IMPORT_QUANTIZATION_MXFP4: _ClassVar[ImportQuantization]
GUESSED_TYPE_UNSPECIFIED: GuessedType
GUESSED_TYPE_LM: GuessedType
GUESSED_TYPE_MULTIMODAL: GuessedType
GUESSED_TYPE_EMBEDDINGS: GuessedType
GUESSED_TYPE_WHISPER: GuessedType
GUESSED_TYPE_IMAGE_GENERATION: GuessedType
DOWNLOAD_STATUS_UNSPECIFIED: DownloadStatus
DOWNLOAD_STATUS_DOWNLOADING: DownloadStatus
DOWNLOAD_STATUS_VERIFYING: DownloadStatus
DOWNLOAD_STATUS_COMPLETED: DownloadStatus
IMPORT_QUANTIZATION_UNSPECIFIED: ImportQuantization
IMPORT_QUANTIZATION_NONE: ImportQuantization
IMPORT_QUANTIZATION_4: ImportQuantization
IMPORT_QUANTIZATION_8: ImportQuantization
IMPORT_QUANTIZATION_MXFP4: ImportQuantization

class ListModelsRequest(_message.Message):
    __slots__ = ("verify_with_hub",)
    VERIFY_WITH_HUB_FIELD_NUMBER: _ClassVar[int]
    verify_with_hub: bool
    def __init__(self, verify_with_hub: _Optional[bool] = ...) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("object", "data")
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    object: str
    data: _containers.RepeatedCompositeFieldContainer[Model]
    def __init__(self, object: _Optional[str] = ..., data: _Optional[_Iterable[_Union[Model, _Mapping]]] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: str
    def __init__(self, model: _Optional[str] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("id", "object", "created", "owned_by", "size_gb", "download_percentage", "is_complete", "loaded", "model_type", "quantization", "parameters", "context_length", "local_path", "is_newest")
    ID_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    OWNED_BY_FIELD_NUMBER: _ClassVar[int]
    SIZE_GB_FIELD_NUMBER: _ClassVar[int]
    DOWNLOAD_PERCENTAGE_FIELD_NUMBER: _ClassVar[int]
    IS_COMPLETE_FIELD_NUMBER: _ClassVar[int]
    LOADED_FIELD_NUMBER: _ClassVar[int]
    MODEL_TYPE_FIELD_NUMBER: _ClassVar[int]
    QUANTIZATION_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_LENGTH_FIELD_NUMBER: _ClassVar[int]
    LOCAL_PATH_FIELD_NUMBER: _ClassVar[int]
    IS_NEWEST_FIELD_NUMBER: _ClassVar[int]
    id: str
    object: str
    created: int
    owned_by: str
    size_gb: float
    download_percentage: float
    is_complete: bool
    loaded: bool
    model_type: GuessedType
    quantization: str
    parameters: int
    context_length: int
    local_path: str
    is_newest: bool
    def __init__(self, id: _Optional[str] = ..., object: _Optional[str] = ..., created: _Optional[int] = ..., owned_by: _Optional[str] = ..., size_gb: _Optional[float] = ..., download_percentage: _Optional[float] = ..., is_complete: _Optional[bool] = ..., loaded: _Optional[bool] = ..., model_type: _Optional[_Union[GuessedType, str]] = ..., quantization: _Optional[str] = ..., parameters: _Optional[int] = ..., context_length: _Optional[int] = ..., local_path: _Optional[str] = ..., is_newest: _Optional[bool] = ...) -> None: ...

class DeleteModelRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: str
    def __init__(self, model: _Optional[str] = ...) -> None: ...

class DeleteModelResponse(_message.Message):
    __slots__ = ("id", "object", "deleted", "freed_bytes")
    ID_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    FREED_BYTES_FIELD_NUMBER: _ClassVar[int]
    id: str
    object: str
    deleted: bool
    freed_bytes: int
    def __init__(self, id: _Optional[str] = ..., object: _Optional[str] = ..., deleted: _Optional[bool] = ..., freed_bytes: _Optional[int] = ...) -> None: ...

class DownloadModelRequest(_message.Message):
    __slots__ = ("model_path", "revision", "allow_patterns", "trust_remote_code")
    MODEL_PATH_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    ALLOW_PATTERNS_FIELD_NUMBER: _ClassVar[int]
    TRUST_REMOTE_CODE_FIELD_NUMBER: _ClassVar[int]
    model_path: str
    revision: str
    allow_patterns: _containers.RepeatedScalarFieldContainer[str]
    trust_remote_code: bool
    def __init__(self, model_path: _Optional[str] = ..., revision: _Optional[str] = ..., allow_patterns: _Optional[_Iterable[str]] = ..., trust_remote_code: _Optional[bool] = ...) -> None: ...

class DownloadModelResponse(_message.Message):
    __slots__ = ("status", "model_path", "local_path", "size_gb", "download_seconds")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MODEL_PATH_FIELD_NUMBER: _ClassVar[int]
    LOCAL_PATH_FIELD_NUMBER: _ClassVar[int]
    SIZE_GB_FIELD_NUMBER: _ClassVar[int]
    DOWNLOAD_SECONDS_FIELD_NUMBER: _ClassVar[int]
    status: str
    model_path: str
    local_path: str
    size_gb: float
    download_seconds: float
    def __init__(self, status: _Optional[str] = ..., model_path: _Optional[str] = ..., local_path: _Optional[str] = ..., size_gb: _Optional[float] = ..., download_seconds: _Optional[float] = ...) -> None: ...

class DownloadProgress(_message.Message):
    __slots__ = ("status", "progress", "current_file", "file_progress", "downloaded_files", "total_files", "message", "downloaded_bytes", "total_bytes", "bytes_per_second", "seconds_left", "local_path")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FILE_FIELD_NUMBER: _ClassVar[int]
    FILE_PROGRESS_FIELD_NUMBER: _ClassVar[int]
    DOWNLOADED_FILES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FILES_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DOWNLOADED_BYTES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    BYTES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    SECONDS_LEFT_FIELD_NUMBER: _ClassVar[int]
    LOCAL_PATH_FIELD_NUMBER: _ClassVar[int]
    status: DownloadStatus
    progress: float
    current_file: str
    file_progress: float
    downloaded_files: int
    total_files: int
    message: str
    downloaded_bytes: int
    total_bytes: int
    bytes_per_second: float
    seconds_left: float
    local_path: str
    def __init__(self, status: _Optional[_Union[DownloadStatus, str]] = ..., progress: _Optional[float] = ..., current_file: _Optional[str] = ..., file_progress: _Optional[float] = ..., downloaded_files: _Optional[int] = ..., total_files: _Optional[int] = ..., message: _Optional[str] = ..., downloaded_bytes: _Optional[int] = ..., total_bytes: _Optional[int] = ..., bytes_per_second: _Optional[float] = ..., seconds_left: _Optional[float] = ..., local_path: _Optional[str] = ...) -> None: ...

class ListDownloadsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListDownloadsResponse(_message.Message):
    __slots__ = ("object", "data")
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    object: str
    data: _containers.RepeatedCompositeFieldContainer[Download]
    def __init__(self, object: _Optional[str] = ..., data: _Optional[_Iterable[_Union[Download, _Mapping]]] = ...) -> None: ...

class Download(_message.Message):
    __slots__ = ("model_path", "revision", "created", "progress")
    MODEL_PATH_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    model_path: str
    revision: str
    created: int
    progress: DownloadProgress
    def __init__(self, model_path: _Optional[str] = ..., revision: _Optional[str] = ..., created: _Optional[int] = ..., progress: _Optional[_Union[DownloadProgress, _Mapping]] = ...) -> None: ...

class CancelDownloadRequest(_message.Message):
    __slots__ = ("model_path",)
    MODEL_PATH_FIELD_NUMBER: _ClassVar[int]
    model_path: str
    def __init__(self, model_path: _Optional[str] = ...) -> None: ...

class CancelDownloadResponse(_message.Message):
    __slots__ = ("status", "model_path")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MODEL_PATH_FIELD_NUMBER: _ClassVar[int]
    status: str
    model_path: str
    def __init__(self, status: _Optional[str] = ..., model_path: _Optional[str] = ...) -> None: ...

class ImportModelRequest(_message.Message):
    __slots__ = ("path", "model_id", "quantize")
    PATH_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    QUANTIZE_FIELD_NUMBER: _ClassVar[int]
    path: str
    model_id: str
    quantize: ImportQuantization
    def __init__(self, path: _Optional[str] = ..., model_id: _Optional[str] = ..., quantize: _Optional[_Union[ImportQuantization, str]] = ...) -> None: ...

class ImportModelResponse(_message.Message):
    __slots__ = ("status", "model_id", "local_path", "size_gb", "import_seconds", "warnings")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    LOCAL_PATH_FIELD_NUMBER: _ClassVar[int]
    SIZE_GB_FIELD_NUMBER: _ClassVar[int]
    IMPORT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    status: str
    model_id: str
    local_path: str
    size_gb: float
    import_seconds: float
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, status: _Optional[str] = ..., model_id: _Optional[str] = ..., local_path: _Optional[str] = ..., size_gb: _Optional[float] = ..., import_seconds: _Optional[float] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...
