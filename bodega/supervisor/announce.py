"""What `bodega serve` says when it starts: a few lines for a person, or JSON log lines."""

import logging
import sys
from dataclasses import dataclass

from bodega import __version__, platform
from bodega.config import LogFormat
from bodega.log import escape
from bodega.supervisor.child import Message

logger = logging.getLogger(__name__)

_QUESTION = (
    '\'{"model": "current", "temperature": 0, '
    '"messages": [{"role": "user", "content": "What is the capital of France?"}]}\''
)
_BEARER = "Bearer <the token>"
_LOAD = '\'{"model_path": "<Hugging Face id or folder>"}\''


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcer:
    """Tells what listens where, what is being loaded, and what to try next.

    Attributes:
        log_format: ``text`` prints plain lines to standard error, ``json`` logs them.
        has_token: whether callers have to show a token.
    """

    log_format: LogFormat
    has_token: bool = False

    def listening(self, *, core: Message, gateway: Message) -> None:
        """Tell the addresses, from the first messages of both processes."""
        device = platform.mlx_device()
        if self.log_format == "json":
            fields = {
                "version": __version__,
                "http": gateway["http"],
                "http_port": gateway["port"],
                "grpc": core["grpc"],
                "grpc_port": core["port"],
                "device": device,
                "blas": core["blas"],
            }
            logger.info("listening", extra={"fields": fields})
            return
        _say(f"Bodega {__version__}")
        _say(f"  HTTP  {gateway['http']}   OpenAI's API, under /v1; to read and try it: /docs")
        shown = f"-H 'authorization: {_BEARER}' " if self.has_token else ""
        _say(f"  gRPC  {core['grpc']}   grpcurl -plaintext {shown}{core['grpc']} list")
        _say(f"  MLX   {_describe_device(device, core['blas'])}")

    def loading(self, model: str) -> None:
        """Tell which model is being loaded."""
        if self.log_format == "json":
            logger.info("loading", extra={"fields": {"model": model}})
        else:
            _say(f"  Model {model} is being loaded")

    def loaded(self, message: Message, *, http: str) -> None:
        """Tell that the model is loaded, and how to chat with it."""
        model, seconds = message["loaded"], message["seconds"]
        context, warnings = message["context_length"], message["warnings"]
        if self.log_format == "json":
            fields = {
                "model": model,
                "seconds": seconds,
                "context_length": context,
                "warnings": warnings,
            }
            logger.info("loaded", extra={"fields": fields})
            return
        _say(f"  Model {model} loaded in {seconds:.1f} s, context of {context} tokens")
        for warning in warnings:
            _say(f"        {warning}")
        self._try(f"{http}/v1/chat/completions", _QUESTION)

    def no_model(self, *, http: str) -> None:
        """Tell how to load a model."""
        if self.log_format == "json":
            logger.info("no model to load")
            return
        _say("  No model is loaded.")
        self._try(f"{http}/v1/admin/load-model", _LOAD)

    def _try(self, url: str, body: str) -> None:
        shown = f"-H 'Authorization: {_BEARER}' \\\n    " if self.has_token else ""
        _say(f"Try:\n  curl {url} -H 'Content-Type: application/json' \\\n    {shown}-d {body}")


def _describe_device(device: platform.Device, blas: str | None) -> str:
    if device != "cpu":
        return {"metal": "Metal", "cuda": "CUDA"}[device]
    if blas is not None:
        return f"CPU, with {blas}"
    return f"CPU, with a slow BLAS; for one many times as fast: {platform.blas_hint()}"


def _say(text: str) -> None:
    sys.stderr.write("\n".join(map(escape, text.split("\n"))) + "\n")
    sys.stderr.flush()
