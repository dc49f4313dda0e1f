"""Whoever follows a value sees it as it is, its changes in order, and its end."""

import asyncio

from bodega.services.feed import Feed


async def read(feed: Feed[int]) -> list[int]:
    return [value async for value in feed.follow()]


async def test_a_reader_sees_the_value_there_is_and_those_to_come() -> None:
    feed = Feed(1, kept=8)
    reader = asyncio.create_task(read(feed))
    await asyncio.sleep(0)
    feed.put(2)
    feed.put(3)
    feed.end()
    assert await reader == [1, 2, 3]


async def test_a_slow_reader_sees_the_newest() -> None:
    feed = Feed(0)
    follow = feed.follow()
    assert await anext(follow) == 0
    for value in range(1, 100):
        feed.put(value)
    assert await anext(follow) == 99
    feed.end()
    assert [value async for value in follow] == []


async def test_who_comes_after_the_end_sees_the_last_value() -> None:
    feed = Feed("first")
    feed.put("last")
    feed.end()
    assert [value async for value in feed.follow()] == ["last"]


async def test_a_reader_that_leaves_is_forgotten() -> None:
    feed = Feed(0)
    follow = feed.follow()
    await anext(follow)
    await follow.aclose()
    feed.put(1)
    assert not feed._readers
