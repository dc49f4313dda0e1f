"""The device that MLX runs on here, and the end of a thread that used it."""

import gc

import mlx.core as mx

from bodega import platform


def on_cpu() -> bool:
    """Return whether MLX computes on the CPU."""
    return not (mx.metal.is_available() or mx.cuda.is_available())


def available_bytes() -> int:
    """Return the memory that the device can still give, in bytes."""
    limit = mx.device_info().get("max_recommended_working_set_size")
    if isinstance(limit, int):
        return max(0, limit - mx.get_active_memory())
    return platform.available_bytes()


def active_bytes() -> int:
    """Return the memory that the device has given out, in bytes. From any thread."""
    return mx.get_active_memory()


def prepare() -> None:
    """Set up MLX for the thread that is to own it."""
    if mx.metal.is_available():
        # Weights that are not wired are paged out between requests.
        mx.set_wired_limit(int(mx.device_info()["max_recommended_working_set_size"]))


def collect() -> None:
    """Give memory that is no longer referenced back to the system."""
    gc.collect()
    mx.clear_cache()


def release() -> None:
    """End the use of MLX by this thread; its last act, or the process aborts at exit."""
    collect()
    mx.clear_streams()
