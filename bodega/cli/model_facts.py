"""What is known of models, as people read it."""

from collections.abc import Sequence

from bodega_api.v1 import admin_pb2, models_pb2

from bodega.cli.figures import moment, or_none, parameters, size
from bodega.cli.tables import print_facts, print_table

_TYPE = "GUESSED_TYPE_"
_TITLES = ("MODEL", "TYPE", "SIZE", "PARAMETERS", "QUANTIZATION", "CONTEXT", "STATE")


def print_models(models: Sequence[models_pb2.Model]) -> None:
    """Print a table of models."""
    print_table(
        _TITLES,
        (
            (
                model.id,
                _type(model),
                size(model.size_gb * 1e9),
                parameters(model.parameters),
                or_none(model.quantization),
                or_none(model.context_length),
                _state(model),
            )
            for model in models
        ),
    )


def print_model(model: models_pb2.Model, loaded: admin_pb2.ModelInfo | None) -> None:
    """Print what is known of one model."""
    facts = [
        ("Model", model.id),
        ("State", _state(model)),
        ("Type", _type(model)),
        ("Parameters", parameters(model.parameters)),
        ("Quantization", or_none(model.quantization)),
        ("Made for", f"{model.context_length} tokens" if model.context_length else "-"),
        ("Size", size(model.size_gb * 1e9)),
        ("Here since", moment(model.created) if model.created else "-"),
        ("Folder", or_none(model.local_path)),
    ]
    if loaded is not None:
        facts += loaded_facts(loaded)
    print_facts(facts)


def loaded_facts(info: admin_pb2.ModelInfo) -> list[tuple[str, str]]:
    """Return how a model was loaded."""
    facts = [
        ("Architecture", info.architecture),
        ("Loaded", moment(info.loaded_at)),
        ("Context", f"{info.context_length} tokens"),
        ("Together", f"{info.max_concurrency} requests"),
        ("Weights", size(info.weight_bytes)),
    ]
    for what, parser in (
        ("Thinking", info.reasoning_parser),
        ("Tool calls", info.tool_call_parser),
    ):
        facts.append((what, f"told by {parser}" if parser != "none" else "not told from text"))
    facts += [
        ("Adapter", f"{path} times {scale:g}")
        for path, scale in zip(info.lora_paths, info.lora_scales, strict=True)
    ]
    if info.keep_alive:
        facts.append(("Unloaded", f"after {info.keep_alive} s without a request"))
    return facts + [("Warning", warning) for warning in info.warnings]


def _type(model: models_pb2.Model) -> str:
    if not model.HasField("model_type"):
        return "-"
    name = models_pb2.GuessedType.Name(model.model_type)
    return name.removeprefix(_TYPE).lower().replace("_", "-")


def _state(model: models_pb2.Model) -> str:
    if model.loaded:
        return "loaded"
    return "complete" if model.is_complete else f"{model.download_percentage:.1f} % here"
