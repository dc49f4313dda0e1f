"""Conversations that come back: how soon each turn's answer begins, and how much was reused."""

import asyncio
from dataclasses import dataclass

from bench import worker
from bench.client import ChatClient, Message, user
from bench.figures import TurnFigures, TurnsFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One to hold.

    Attributes:
        history: messages before its first turn.
        turns: what the user says; each answer becomes part of the next request.
    """

    history: list[Message]
    turns: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnsJob:
    """What to measure.

    Attributes:
        base_url: the server's, as OpenAI's clients take it: it ends in /v1.
        model: the name of the model in the requests.
        conversations: held one after another.
        max_tokens: length of each answer, in tokens.
    """

    base_url: str
    model: str
    conversations: list[Conversation]
    max_tokens: int


async def measure(job: TurnsJob) -> TurnsFigures:
    """Hold all conversations and return the figures of every turn.

    Raises:
        BenchError: a chat failed.
    """
    async with ChatClient.open(base_url=job.base_url, model=job.model) as client:
        conversations = [
            await _hold(client, conversation, job.max_tokens) for conversation in job.conversations
        ]
    return TurnsFigures(conversations=conversations)


async def _hold(
    client: ChatClient, conversation: Conversation, max_tokens: int
) -> list[TurnFigures]:
    messages, figures = list(conversation.history), []
    for turn in conversation.turns:
        messages.append(user(turn))
        answer = await client.stream(messages, max_tokens=max_tokens)
        messages.append({"role": "assistant", "content": answer.text})
        figures.append(
            TurnFigures(
                ttft_ms=answer.ttft_ms,
                prompt_tokens=answer.prompt_tokens,
                cached_tokens=answer.cached_tokens,
            )
        )
    return figures


def read_job(members: dict[str, object]) -> TurnsJob:
    """Return the job that JSON holds."""
    job = TurnsJob(**members)  # type: ignore[arg-type]
    return TurnsJob(
        base_url=job.base_url,
        model=job.model,
        conversations=[Conversation(**each) for each in job.conversations],  # type: ignore[arg-type]
        max_tokens=job.max_tokens,
    )


if __name__ == "__main__":
    worker.work(lambda job: asyncio.run(measure(read_job(job))))
