"""Compiled code is kept in a directory that goes away with the run: nothing is found, nothing is left."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

VARIABLES = ("AD_COMPILER_CACHE_DIR", "NUMBA_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR")


def variables(directory: str) -> dict[str, str]:
    """The environment in which ad_compiler, Numba and PyTorch keep what they compile in `directory`."""
    return {name: os.path.join(directory, name.lower()) for name in VARIABLES}


@contextmanager
def temporary() -> Iterator[None]:
    """Set the environment for this process and its children; before the libraries are imported."""
    with TemporaryDirectory() as directory:
        before = {name: os.environ.get(name) for name in VARIABLES}
        os.environ.update(variables(directory))
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
