"""LoRA adapters in mlx-lm's format: read, compared with the model, and put into it.

Each adds a product of two small matrices to some of the model's weights. Several add up.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_unflatten
from mlx_lm.models.switch_layers import QuantizedSwitchLinear, SwitchLinear
from mlx_lm.tuner.lora import LoRAEmbedding, LoRALinear, LoRASwitchLinear
from safetensors import SafetensorError, safe_open

from bodega.errors import InvalidAdapter, quoted

_CONFIG: Final = "adapter_config.json"
_WEIGHTS: Final = "adapters.safetensors"
_LARGEST_RANK: Final = 4096

_LAYERS: Final[tuple[tuple[tuple[type, ...], Any, tuple[int, int]], ...]] = (
    ((nn.Linear, nn.QuantizedLinear), LoRALinear, (-1, -2)),
    ((nn.Embedding, nn.QuantizedEmbedding), LoRAEmbedding, (-1, -2)),
    ((SwitchLinear, QuantizedSwitchLinear), LoRASwitchLinear, (-2, -1)),
)
"""What can be adapted, by which layer of mlx-lm, and along which axes of its two matrices
adapters stand beside each other."""

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """An adapter's folder, inspected.

    Attributes:
        name: its folder, as the caller gave it.
        file: its weights.
        rank: the width of its products.
        factor: what its products are multiplied by: the caller's factor times its own.
        shapes: the shape of each of its matrices, by name.
        size_bytes: their size.
    """

    name: str
    file: Path
    rank: int
    factor: float
    shapes: Mapping[str, Shape]
    size_bytes: int

    @property
    def modules(self) -> list[str]:
        """Return the names of the parts of the model that it adapts."""
        return sorted({name.rpartition(".")[0] for name in self.shapes})


def read_adapter(name: str, factor: float) -> Adapter:
    """Read what an adapter's folder says of it, without its weights.

    Args:
        name: the folder.
        factor: the caller's, which goes before its own scale.

    Raises:
        InvalidAdapter: files are missing or damaged, or are of another kind than LoRA.
    """
    folder = _folder(name)
    config = _config(name, folder / _CONFIG)
    if (kind := config.get("fine_tune_type", "lora")) != "lora":
        raise _invalid(name, f"is of the kind {quoted(str(kind))}; only lora is served")
    parameters = config.get("lora_parameters")
    parameters = parameters if isinstance(parameters, dict) else {}
    rank, scale = parameters.get("rank"), _number(parameters.get("scale"))
    if type(rank) is not int or not 0 < rank <= _LARGEST_RANK:
        raise _invalid(name, f"has no rank in the lora_parameters of its {_CONFIG}")
    if scale is None:
        raise _invalid(name, f"has no scale in the lora_parameters of its {_CONFIG}")
    file = folder / _WEIGHTS
    shapes = _shapes(name, file)
    return Adapter(
        name=name,
        file=file,
        rank=rank,
        factor=factor * scale,
        shapes=shapes,
        size_bytes=file.stat().st_size,
    )


def check_adapters(model: nn.Module, adapters: Sequence[Adapter]) -> None:
    """Compare adapters with a built model, whose weights need not be there.

    Raises:
        InvalidAdapter: one adapts what the model does not have, or in other shapes.
    """
    modules = dict(model.named_modules())
    for adapter in adapters:
        for at in adapter.modules:
            layer = _adapted(modules.get(at), adapter.rank)
            if layer is None:
                raise _invalid(
                    adapter.name, f"adapts {quoted(at)}, which the model does not have so"
                )
            for part in ("lora_a", "lora_b"):
                own, wanted = adapter.shapes.get(f"{at}.{part}"), layer[part].shape
                if own != wanted:
                    raise _invalid(
                        adapter.name,
                        f"has {at}.{part} of shape {own}, and the model and the rank "
                        f"{adapter.rank} need {wanted}",
                    )


def apply_adapters(model: nn.Module, adapters: Sequence[Adapter]) -> None:
    """Put adapters that were checked into a model.

    Weights of 32 bits take them in; others, which would round them away, keep them beside.
    """
    weights: list[tuple[Adapter, Any]] = [(one, mx.load(str(one.file))) for one in adapters]
    modules = dict(model.named_modules())
    changed = []
    for at in sorted({at for adapter in adapters for at in adapter.modules}):
        here = [(one, arrays) for one, arrays in weights if f"{at}.lora_a" in one.shapes]
        layer = _adapted(modules[at], sum(one.rank for one, _ in here))
        axis_a, axis_b = _kind(modules[at])[1]
        layer.lora_a = mx.concatenate([arrays[f"{at}.lora_a"] for _, arrays in here], axis_a)
        layer.lora_b = mx.concatenate(
            [one.factor * arrays[f"{at}.lora_b"] for one, arrays in here], axis_b
        )
        takes_in = modules[at].weight.dtype == mx.float32
        changed.append((at, layer.fuse() if takes_in else layer))
    model.update_modules(tree_unflatten(changed))


def _adapted(module: nn.Module | None, rank: int) -> Any:
    """Return a layer that adds a product of this rank to a module, or None if none can."""
    kind = _kind(module)
    return None if kind is None else kind[0].from_base(module, r=rank, scale=1.0, dropout=0.0)


def _kind(module: nn.Module | None) -> Any:
    return next(((layer, axes) for types, layer, axes in _LAYERS if type(module) in types), None)


def _invalid(name: str, fault: str) -> InvalidAdapter:
    return InvalidAdapter(f"The adapter {quoted(name)} {fault}.", param="lora_paths")


def _number(value: Any) -> float | None:
    """Return a finite number, None for anything else."""
    try:
        number = float(value) if type(value) in (int, float) else math.nan
    except OverflowError:  # JSON has integers that no float holds
        return None
    return number if math.isfinite(number) else None


def _folder(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise _invalid(name, "is in the home of a user who is not known") from error


def _config(name: str, path: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _invalid(name, f"has no {_CONFIG}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise _invalid(name, f"has a {_CONFIG} that cannot be read as JSON") from error
    if not isinstance(value, dict):
        raise _invalid(name, f"has a {_CONFIG} that is not a JSON object")
    return value


def _shapes(name: str, file: Path) -> dict[str, Shape]:
    if not file.is_file():
        raise _invalid(name, f"has no {_WEIGHTS}; adapters are in the format of mlx-lm")
    try:
        with safe_open(file, framework="numpy") as tensors:
            shapes = {at: tuple(tensors.get_slice(at).get_shape()) for at in tensors.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise _invalid(name, f"has a damaged {_WEIGHTS}") from error
    for at in shapes:
        if not at.endswith((".lora_a", ".lora_b")):
            raise _invalid(name, f"holds {quoted(at)}, which is no matrix of LoRA")
    if not shapes:
        raise _invalid(name, "holds nothing")
    return shapes
