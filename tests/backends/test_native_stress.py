"""Many processes, one cache of compiled code: built at once, killed while compiling, corrupted, not writable.

Every process is a new interpreter that imports the same program from a file, builds its derivative on
`backend="numba"` with the cache in the directory that `AD_COMPILER_CACHE_DIR` names, and prints the gradient.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import ad_compiler

ROOT = Path(ad_compiler.__file__).resolve().parents[1]
PATIENCE = 120.0  # seconds; a process that waits for a lock nobody holds is found out by it


def has_native_backend() -> bool:
    try:
        ad_compiler.grad(lambda x: x * x, backend="numba")
    except (ImportError, ValueError):
        return False
    return True


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not has_native_backend(), reason='there is no backend="numba" here'),
]

PROGRAM = """\
import numpy as np


def decaying(w, x, steps):
    state = np.zeros(len(w))
    total = 0.0
    for t in range(steps):
        state = np.tanh(w * state + x[t])
        total = total + np.sum(state * state)
    return total
"""

# It says that it starts, waits to be told, builds, and prints the gradients of two calls.
PROCESS = """\
import json, sys, time
from pathlib import Path
import numpy as np
import numba
from ad_compiler import grad
from program import decaying

print("ready", flush=True)
sys.stdin.readline()
gradient = grad(decaying, argnums=(0, 1), backend="numba")
random = np.random.default_rng(7)
for _ in range(2):
    w, x = random.normal(size=5), random.normal(size=(12, 5))
    print(json.dumps([part.tolist() for part in gradient(w, x, 12)]), flush=True)
"""

Process = subprocess.Popen[str]


def expected() -> list[list[np.ndarray]]:
    """The same two gradients by hand."""
    random = np.random.default_rng(7)
    return [by_hand(random.normal(size=5), random.normal(size=(12, 5)), 12) for _ in range(2)]


def by_hand(w: np.ndarray, x: np.ndarray, steps: int) -> list[np.ndarray]:
    states = [np.zeros(len(w))]
    for t in range(steps):
        states.append(np.tanh(w * states[-1] + x[t]))
    w_bar, x_bar, state_bar = np.zeros_like(w), np.zeros_like(x), np.zeros(len(w))
    for t in range(steps - 1, -1, -1):
        z_bar = (state_bar + 2 * states[t + 1]) * (1 - states[t + 1] ** 2)
        w_bar += z_bar * states[t]
        x_bar[t] = z_bar
        state_bar = z_bar * w
    return [w_bar, x_bar]


@pytest.fixture(scope="module", autouse=True)
def a_cache_is_kept(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Found out by trying: without a cache there is nothing to share, to corrupt or to rebuild."""
    directory = with_programs(tmp_path_factory.mktemp("trial"))
    run_once(directory, directory / "cache")
    if not files(directory / "cache"):
        pytest.skip("the native backend keeps no compiled code in AD_COMPILER_CACHE_DIR")


def with_programs(directory: Path) -> Path:
    (directory / "program.py").write_text(PROGRAM, encoding="utf-8")
    (directory / "process.py").write_text(PROCESS, encoding="utf-8")
    return directory


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return with_programs(tmp_path)


@contextmanager
def started(directory: Path, count: int, cache: Path) -> Iterator[list[Process]]:
    """Processes that have imported everything and wait for a line; none is left behind."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(directory), str(ROOT)]),
        "AD_COMPILER_CACHE_DIR": str(cache),
        "OMP_NUM_THREADS": "1",
    }
    processes = [
        subprocess.Popen(
            [sys.executable, str(directory / "process.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for _ in range(count)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", process.communicate(timeout=PATIENCE)[1]
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def say_go(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def require_right(process: Process) -> None:
    """Wait for the process, and compare both gradients that it prints with those by hand."""
    printed, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    lines = printed.splitlines()
    assert len(lines) == 2
    for line, gradients in zip(lines, expected(), strict=True):
        for found, wanted in zip(json.loads(line), gradients, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-12)


def run_once(directory: Path, cache: Path) -> None:
    with started(directory, 1, cache) as (process,):
        say_go(process)
        require_right(process)


def files(cache: Path) -> list[Path]:
    return sorted(path for path in cache.rglob("*") if path.is_file())


def test_eight_processes_build_at_once(directory: Path) -> None:
    cache = directory / "cache"
    with started(directory, 8, cache) as processes:
        for process in processes:
            say_go(process)
        for process in processes:
            require_right(process)
    assert files(cache)
    run_once(directory, cache)


@pytest.mark.parametrize("delay", [0.05, 0.5, 1.5])
def test_one_of_eight_is_killed_while_it_compiles(directory: Path, delay: float) -> None:
    cache = directory / "cache"
    with started(directory, 8, cache) as processes:
        killed, *others = processes
        say_go(killed)  # ahead of the others: if there is a lock, it is this one that holds it
        time.sleep(delay)
        if killed.poll() is None:
            killed.kill()
        for process in others:
            say_go(process)
        for process in others:
            require_right(process)
    run_once(directory, cache)


def test_all_are_killed_while_they_compile(directory: Path) -> None:
    cache = directory / "cache"
    with started(directory, 8, cache) as processes:
        for process in processes:
            say_go(process)
        time.sleep(1.0)
        for process in processes:
            process.kill()
    run_once(directory, cache)
    run_once(directory, cache)


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def emptied(content: bytes) -> bytes:
    return b""


def overwritten(content: bytes) -> bytes:
    return np.random.default_rng(0).bytes(len(content))


def with_bits_changed(content: bytes) -> bytes:
    """Some of the instructions of an object file, where there is one: what holds them is still a pickle."""
    changed = bytearray(content)
    start = max(content.find(b"\x7fELF"), 0)
    for position in range(start + 128, min(start + 4096, len(content)), 64):
        changed[position] ^= 1
    return bytes(changed)


@pytest.mark.parametrize("damage", [truncated, emptied, overwritten, with_bits_changed])
def test_a_corrupted_entry_is_rebuilt(directory: Path, damage: Callable[[bytes], bytes]) -> None:
    """One kind of file at a time: damage to one must not be found out by that to another only."""
    cache = directory / "cache"
    run_once(directory, cache)
    for kind in sorted({path.suffix for path in files(cache)}):
        for path in files(cache):
            if path.suffix == kind:
                path.write_bytes(damage(path.read_bytes()))
        run_once(directory, cache)


@pytest.mark.parametrize("kept", ["*.py", "*.nbi", "*.nbc"])
def test_an_entry_of_which_files_are_missing_is_rebuilt(directory: Path, kept: str) -> None:
    cache = directory / "cache"
    run_once(directory, cache)
    for path in files(cache):
        if not path.match(kept):
            path.unlink()
    run_once(directory, cache)
    run_once(directory, cache)


def test_a_cache_that_cannot_be_written_is_done_without(directory: Path) -> None:
    """The directory it should be made in is a file, which no permission of any user changes."""
    (directory / "file").write_text("no directory", encoding="utf-8")
    run_once(directory, directory / "file" / "cache")


def test_a_changed_program_is_compiled_again(directory: Path) -> None:
    cache = directory / "cache"
    run_once(directory, cache)
    changed = PROGRAM.replace("state * state", "3.0 * state * state")
    (directory / "program.py").write_text(changed, encoding="utf-8")
    with started(directory, 1, cache) as (process,):
        say_go(process)
        printed, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    for line, gradients in zip(printed.splitlines(), expected(), strict=True):
        for found, wanted in zip(json.loads(line), gradients, strict=True):
            np.testing.assert_allclose(found, 3.0 * wanted, rtol=1e-12)
