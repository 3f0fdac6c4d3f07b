"""One number of threads for everybody, settled before any numerical library is imported."""

import os

_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def available() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def limit(threads: int) -> None:
    """Give BLAS and OpenMP `threads` threads, and the process as many processors.

    XLA sizes its own pool by the processors it may use, so the affinity is what binds JAX to the
    same number. Where the platform has no affinity, JAX keeps all processors.
    """
    for variable in _VARIABLES:
        os.environ[variable] = str(threads)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
