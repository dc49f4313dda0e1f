"""The service bodega.v1.Models."""

from collections.abc import AsyncIterator

from bodega_api.v1 import models_pb2, models_pb2_grpc

from bodega.errors import MissingParameter
from bodega.hub.progress import DownloadStage, Progress
from bodega.rpc.call import Context
from bodega.services.downloads import DownloadRequest, Downloads, Transfer
from bodega.services.imports import ImportRequest, Imports
from bodega.services.models import KnownModel, ModelsService

_STATUSES = {
    DownloadStage.DOWNLOADING: models_pb2.DOWNLOAD_STATUS_DOWNLOADING,
    DownloadStage.VERIFYING: models_pb2.DOWNLOAD_STATUS_VERIFYING,
    DownloadStage.COMPLETED: models_pb2.DOWNLOAD_STATUS_COMPLETED,
}

_MESSAGES = {
    DownloadStage.DOWNLOADING: "Downloading the model's files.",
    DownloadStage.VERIFYING: "Verifying the model's files.",
    DownloadStage.COMPLETED: "The model is here.",
}

_TYPES = {
    "lm": models_pb2.GUESSED_TYPE_LM,
    "multimodal": models_pb2.GUESSED_TYPE_MULTIMODAL,
    "embeddings": models_pb2.GUESSED_TYPE_EMBEDDINGS,
    "whisper": models_pb2.GUESSED_TYPE_WHISPER,
    "image-generation": models_pb2.GUESSED_TYPE_IMAGE_GENERATION,
}

_QUANTIZE = {
    models_pb2.IMPORT_QUANTIZATION_UNSPECIFIED: None,
    models_pb2.IMPORT_QUANTIZATION_NONE: "none",
    models_pb2.IMPORT_QUANTIZATION_4: "4",
    models_pb2.IMPORT_QUANTIZATION_8: "8",
    models_pb2.IMPORT_QUANTIZATION_MXFP4: "mxfp4",
}


class ModelsServicer(models_pb2_grpc.ModelsServicer):
    """Serves the models there are, and how they come and go."""

    def __init__(self, models: ModelsService, downloads: Downloads, imports: Imports) -> None:
        self._models = models
        self._downloads = downloads
        self._imports = imports

    async def ListModels(
        self, request: models_pb2.ListModelsRequest, context: Context
    ) -> models_pb2.ListModelsResponse:
        """List the models there are."""
        known = await self._models.list(verify_with_hub=request.verify_with_hub)
        return models_pb2.ListModelsResponse(object="list", data=map(_model, known))

    async def GetModel(
        self, request: models_pb2.GetModelRequest, context: Context
    ) -> models_pb2.Model:
        """Tell of one model."""
        return _model(await self._models.get(request.model))

    async def DeleteModel(
        self, request: models_pb2.DeleteModelRequest, context: Context
    ) -> models_pb2.DeleteModelResponse:
        """Remove a model's files."""
        freed_bytes = await self._models.delete(request.model)
        return models_pb2.DeleteModelResponse(
            id=request.model, object="model", deleted=True, freed_bytes=freed_bytes
        )

    async def DownloadModel(
        self, request: models_pb2.DownloadModelRequest, context: Context
    ) -> models_pb2.DownloadModelResponse:
        """Download a model."""
        downloaded = await self._downloads.wait(self._downloads.begin(_download_request(request)))
        return models_pb2.DownloadModelResponse(
            status="downloaded",
            model_path=request.model_path,
            local_path=str(downloaded.folder),
            size_gb=_gigabytes(downloaded.size_bytes),
            download_seconds=round(downloaded.seconds, 3),
        )

    async def StreamDownloadModel(
        self, request: models_pb2.DownloadModelRequest, context: Context
    ) -> AsyncIterator[models_pb2.DownloadProgress]:
        """Download a model and tell how far it is."""
        transfer = self._downloads.begin(_download_request(request))
        async for progress in transfer.progress.follow():
            if progress is not None and progress.stage is not DownloadStage.COMPLETED:
                yield download_progress(progress)
        downloaded = await self._downloads.wait(transfer)
        # The stream's last message comes when everything is in its place, and only then.
        last = transfer.progress.value
        message = download_progress(last) if last else models_pb2.DownloadProgress()
        message.status = models_pb2.DOWNLOAD_STATUS_COMPLETED
        message.local_path = str(downloaded.folder)
        yield message

    async def ListDownloads(
        self, request: models_pb2.ListDownloadsRequest, context: Context
    ) -> models_pb2.ListDownloadsResponse:
        """List the downloads that are under way."""
        return models_pb2.ListDownloadsResponse(
            object="list", data=map(_transfer, self._downloads.under_way)
        )

    async def CancelDownload(
        self, request: models_pb2.CancelDownloadRequest, context: Context
    ) -> models_pb2.CancelDownloadResponse:
        """End a download for all who wait for it."""
        if not request.model_path:
            raise MissingParameter("model_path")
        self._downloads.cancel(request.model_path)
        return models_pb2.CancelDownloadResponse(status="cancelled", model_path=request.model_path)

    async def ImportModel(
        self, request: models_pb2.ImportModelRequest, context: Context
    ) -> models_pb2.ImportModelResponse:
        """Turn a GGUF file into a model that can be loaded."""
        imported = await self._imports.run(
            ImportRequest(
                path=request.path,
                model_id=request.model_id if request.HasField("model_id") else None,
                quantize=_QUANTIZE.get(request.quantize),
            )
        )
        return models_pb2.ImportModelResponse(
            status="imported",
            model_id=imported.model_id,
            local_path=str(imported.folder),
            size_gb=_gigabytes(imported.size_bytes),
            import_seconds=round(imported.seconds, 3),
            warnings=imported.warnings,
        )


def download_progress(progress: Progress) -> models_pb2.DownloadProgress:
    """Return the message that tells how far a download is."""
    message = models_pb2.DownloadProgress(
        status=_STATUSES[progress.stage],
        progress=round(100.0 * progress.fraction, 1),
        current_file=progress.current_file,
        downloaded_files=progress.done_files,
        total_files=progress.total_files,
        message=_MESSAGES[progress.stage],
        downloaded_bytes=progress.done_bytes,
        total_bytes=progress.total_bytes,
        bytes_per_second=round(progress.bytes_per_s, 1),
        seconds_left=progress.seconds_left,
    )
    if progress.current_file is not None:
        message.file_progress = round(100.0 * progress.file_fraction, 1)
    return message


def _download_request(request: models_pb2.DownloadModelRequest) -> DownloadRequest:
    return DownloadRequest(
        model_path=request.model_path,
        revision=request.revision or "main",
        allow_patterns=tuple(request.allow_patterns),
        code=request.trust_remote_code,
    )


def _transfer(transfer: Transfer) -> models_pb2.Download:
    progress = transfer.progress.value
    return models_pb2.Download(
        model_path=transfer.request.model_path,
        revision=transfer.request.revision,
        created=transfer.created,
        progress=download_progress(progress) if progress is not None else None,
    )


def _model(known: KnownModel) -> models_pb2.Model:
    model = known.model
    return models_pb2.Model(
        id=model.id,
        object="model",
        created=model.created,
        owned_by=model.owned_by,
        size_gb=_gigabytes(model.size_bytes),
        download_percentage=round(model.percent, 1),
        is_complete=model.is_complete,
        loaded=known.is_loaded,
        model_type=_TYPES.get(model.type or ""),
        quantization=model.quantization,
        parameters=model.parameters,
        context_length=model.context_length,
        local_path=str(model.folder) if model.folder is not None else None,
        is_newest=known.is_newest,
    )


def _gigabytes(size_bytes: int) -> float:
    return round(size_bytes / 1e9, 6)
