"""A core in this process, for commands about models where no server runs."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

from bodega.config import CoreConfig
from bodega.rpc.server import build, end
from bodega.supervisor.folder import SOCKET_NAME, private_folder

_Stop = Callable[[], None]


@contextmanager
def own_core(*, with_device: bool) -> Iterator[str]:
    """Run a core on a thread, behind a socket that only this user can reach.

    Args:
        with_device: whether to set MLX up, which imports need and nothing else here does.

    Yields:
        Its gRPC address.
    """
    with private_folder() as folder:
        socket = folder / SOCKET_NAME
        serving: Future[_Stop] = Future()
        thread = threading.Thread(
            target=lambda: asyncio.run(_serve(socket, serving, with_device=with_device)),
            name="bodega-core",
        )
        thread.start()
        try:
            stop = serving.result()
            try:
                yield f"unix:{socket}"
            finally:
                stop()
        finally:
            thread.join()


async def _serve(socket: Path, serving: "Future[_Stop]", *, with_device: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    try:
        core = build(CoreConfig(host=None, socket=socket))
        core.server.add_insecure_port(f"unix:{socket}")
        if with_device:
            core.engine.start()
        await core.server.start()
    except BaseException as error:  # noqa: BLE001 - boundary: whoever waits raises it
        serving.set_exception(error)
        return

    def end_it() -> None:
        loop.call_soon_threadsafe(stop.set)

    serving.set_result(end_it)
    await stop.wait()
    await end(core)
