"""A whole run against a server that answers at once."""

import asyncio
import json
from collections.abc import AsyncIterator, Collection

import pytest

from bench.__main__ import main
from bench.figures import Figure
from bench.model import small_model
from bench.plan import Plan, Target
from bench.prompts import PromptMaker
from bench.report import as_json, notes, table
from bench.rounds import Round, Rounds
from tests.bench.played_server import PlayedServer, played_server


@pytest.fixture
async def server() -> AsyncIterator[PlayedServer]:
    maker = PromptMaker(small_model(), seed=0)
    async with played_server() as played:
        played.prompt_tokens = lambda messages: len(maker.render(messages).tokens)
        yield played


async def run(server: PlayedServer, only: Collection[str]) -> Round:
    plan = Plan(
        rounds=1,
        requests_per_client={2: 2},
        max_tokens=8,
        prefixes=1,
        single_requests=2,
        prefill_slices=(512,),
    )
    target = Target(base_url=server.base_url, model="m")
    rounds = Rounds(plan, target, folder=small_model(), tell=lambda _: None, only=only)
    [found] = await asyncio.to_thread(rounds.run)
    return found


def figure(found: Round, label: str) -> Figure:
    return next(figure for figure in found.figures if figure.label == label)


async def test_greedy_and_sampled_chats_share_a_ceiling_of_the_same_length(
    server: PlayedServer,
) -> None:
    found = await run(server, ["streams", "mixed"])
    [ceiling], loads = found.ceilings, found.loads
    assert [ceiling.output_tokens, *(load.output_tokens for load in loads)] == [32, 32, 32]
    shown = table([found])
    for label, load in zip(
        ["2 clients: tokens/s", "2 clients, sampled: tokens/s"], loads, strict=True
    ):
        ratio = figure(found, label).ratio
        assert ratio == load.tokens_per_s / ceiling.tokens_per_s
        assert f"{label} " in shown
        assert f"{ratio:.2f}" in shown
    assert "prompts under load: 6" in notes([found])
    figures = json.loads(json.dumps(as_json([found], server="played")))
    assert figures["ratios"]["2 clients: tokens/s"]["median"] == pytest.approx(
        loads[0].tokens_per_s / ceiling.tokens_per_s
    )


async def test_a_prefix_is_shared_by_chats_whose_ends_differ(server: PlayedServer) -> None:
    server.cached_tokens = 1900
    found = await run(server, ["prefix"])
    _, *chats = (request["messages"] for request in server.requests)
    assert len({system["content"] for system, _ in chats}) == 1
    assert len({said["content"] for _, said in chats}) == len(chats) == 3
    assert figure(found, "2,000-token prefix: warm TTFT, ms").reference == "cold"
    assert figure(found, "2,000-token prefix: cached tokens, warm").value == 1900


async def test_a_chat_grows_by_its_own_answers(server: PlayedServer) -> None:
    found = await run(server, ["chat"])
    first, second = (request["messages"] for request in server.requests[1:3])
    assert second[:2] == [*first, {"role": "assistant", "content": "xxxxxxxx"}]
    assert [len(request["messages"]) for request in server.requests] == [1, 1, 3, 5, 7, 7]
    assert figure(found, "chat of 4 turns: TTFT of turn 4, ms").ratio is not None
    assert not [each for each in found.figures if "cached" in each.label]


async def test_what_needs_the_servers_processes_is_left_out_with_a_reason(
    server: PlayedServer,
) -> None:
    found = await run(server, ["cpu", "rest", "overhead"])
    assert found.skipped.keys() == {"cpu", "rest"}
    assert "not measured: cpu, since the server's processes are not known" in notes([found])
    overhead = figure(found, "max_tokens 1: p50, ms")
    [prefill] = found.prefills
    assert overhead.ratio == overhead.value / prefill.p50_ms


def test_an_unknown_measurement_is_refused_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--only", "streams,speed"])
    assert "'speed' is none of streams, pinned, mixed, varied" in capsys.readouterr().err
