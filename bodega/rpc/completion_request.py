"""CreateCompletionRequest to the completion service's own request."""

from bodega_api.v1 import inference_pb2

from bodega.errors import InvalidRequest, MissingParameter
from bodega.rpc.generation_request import given, sampling, stops
from bodega.rpc.ranges import check_ranges
from bodega.services.completion_request import TEMPERATURE, CompletionRequest, Prompt

_KINDS = {"text": "a text", "token": "a token id", "tokens": "a list of token ids"}


def completion_request(
    request: inference_pb2.CreateCompletionRequest, *, request_id: str
) -> CompletionRequest:
    """Return the completion service's form of a request.

    Raises:
        InvalidRequest: a field is missing or has a value that cannot be honoured.
    """
    check_ranges(request)
    return CompletionRequest(
        request_id=request_id,
        model=request.model,
        prompts=_prompts(request.prompt),
        max_tokens=given(request, "max_tokens"),
        sampling=sampling(request, temperature=TEMPERATURE),
        seed=given(request, "seed"),
        n=request.n or 1,
        top_logprobs=given(request, "logprobs"),
        stops=stops(request),
        user=given(request, "user"),
        echo=request.echo,
    )


def _prompts(prompt: inference_pb2.CompletionPrompt) -> list[Prompt]:
    kind = prompt.WhichOneof("kind")
    if kind == "text":
        return [prompt.text]
    items = prompt.list.items
    if not items:
        raise MissingParameter("prompt", "'prompt' is required: a text, token ids, or a list.")
    kind = items[0].WhichOneof("kind")
    for at, item in enumerate(items):
        found = item.WhichOneof("kind")
        if found is None:
            raise MissingParameter(f"prompt[{at}]")
        if found != kind:
            raise InvalidRequest(
                "The items of 'prompt' are of one kind: the first is "
                f"{_KINDS[kind or found]}, this one {_KINDS[found]}.",
                param=f"prompt[{at}]",
            )
    if kind == "text":
        return [item.text for item in items]
    if kind == "token":
        return [[item.token for item in items]]
    return [list(item.tokens.ids) for item in items]
