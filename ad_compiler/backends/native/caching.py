"""Compiled code that outlives the process: native modules as files, with Numba's cache beside them.

    <cache>/loss_grad_3f2a.../loss_grad.py           the text
    <cache>/loss_grad_3f2a.../__pycache__/*.nb?      what Numba keeps of it
    <cache>/loss_grad_3f2a.../checksums              of these files

The name of a directory is a hash of everything that decides the machine code: the text, the versions of
Python, NumPy, Numba and this package (with its helper functions), and the processor. So an entry never
changes once it is complete: it is made in a directory of its own and renamed to its place, and of two
processes that make it at once one wins. An entry that cannot be read, or whose machine code is not what
was written (Numba would run it all the same), is removed and made again.

The cache is in `AD_COMPILER_CACHE_DIR`, else where the platform keeps caches of users;
AD_COMPILER_CACHE_DIR=0 turns it off.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType

COMPILED_PACKAGES = ("numba_extensions", "run_time")  # what native modules import
TIME = 1_000_000_000  # when every file was written: Numba takes a newer file for a change


def cache_directory() -> Path | None:
    """Where native modules are kept; None if nowhere."""
    given = os.environ.get("AD_COMPILER_CACHE_DIR")
    if given == "0":
        return None
    if given:
        return Path(given) / "native"
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "ad_compiler" / "native"


@functools.cache
def fingerprint() -> str:
    """What decides the machine code beside the text."""
    import llvmlite.binding
    import numba
    import numpy

    from ad_compiler.backends.native.run_time.blas import IS_FOUND

    here = Path(__file__).parent
    compiled = sorted(path for package in COMPILED_PACKAGES for path in (here / package).glob("*.py"))
    helpers = [path.read_text(encoding="utf-8") for path in compiled]
    try:
        own = importlib.metadata.version("ad-compiler")
    except importlib.metadata.PackageNotFoundError:
        own = ""
    processor = [llvmlite.binding.get_host_cpu_name(), llvmlite.binding.get_host_cpu_features().flatten()]
    versions = [sys.version, numpy.__version__, numba.__version__, own, platform.platform(), sys.executable]
    return "\n".join([*versions, *processor, str(IS_FOUND), *helpers])


def entry_of(text: str, name: str, directory: Path) -> Path:
    digest = hashlib.sha256(f"{fingerprint()}\n{text}".encode()).hexdigest()[:24]
    return directory / f"{name}_{digest}" / f"{name}.py"


def cached_module(text: str, name: str) -> tuple[ModuleType, Path] | None:
    """The module of a text, loaded from the cache, which it is put into; None where there is none."""
    directory = cache_directory()
    if directory is None:
        return None
    path = entry_of(text, name, directory)
    try:
        if not is_intact(path, text):
            write(path, text)
        if is_damaged(path):
            discard(path)
        return import_file(path, name), path
    except OSError:  # a directory that cannot be written into
        return None


def is_intact(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") == text
    except (OSError, UnicodeDecodeError):
        return False


def write(path: Path, text: str) -> None:
    """Make the entry in one step."""
    directory = path.parent
    directory.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".new_", dir=directory.parent))
    try:
        file = made / path.name
        file.write_text(text, encoding="utf-8")
        os.utime(file, (TIME, TIME))
        if directory.exists() and not is_intact(path, text):
            shutil.rmtree(directory, ignore_errors=True)
        try:
            made.rename(directory)
        except OSError:
            if not is_intact(path, text):  # nobody else has made it either
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def import_file(path: Path, name: str) -> ModuleType:
    """Import an entry. It is no member of `sys.modules`: two entries may have one name."""
    spec = importlib.util.spec_from_file_location(f"ad_compiler_native_{path.parent.name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # where Numba looks for it, and pickle
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


def checksums(path: Path) -> str:
    """One line for each file that Numba keeps of an entry."""
    kept = sorted((path.parent / "__pycache__").glob("*.nb?"))
    return "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()} {file.name}\n" for file in kept)


def is_damaged(path: Path) -> bool:
    """Whether the files that Numba keeps are not those that were sealed; without a seal nobody knows."""
    try:
        sealed = (path.parent / "checksums").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return False
    return sealed != checksums(path)


def seal(path: Path) -> None:
    """Write the checksums of a complete entry, in one step, if they are not there."""
    with contextlib.suppress(OSError):  # removed meanwhile, or a directory that cannot be written into
        if (path.parent / "checksums").exists() and not is_damaged(path):
            return
        handle, made = tempfile.mkstemp(prefix=".new_", dir=path.parent)
        with open(handle, "w", encoding="utf-8") as file:
            file.write(checksums(path))
        os.replace(made, path.parent / "checksums")


def discard(path: Path) -> None:
    """Remove what Numba keeps of an entry."""
    shutil.rmtree(path.parent / "__pycache__", ignore_errors=True)
    (path.parent / "checksums").unlink(missing_ok=True)
