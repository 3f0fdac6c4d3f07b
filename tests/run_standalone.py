"""Runs generated modules where ad_compiler cannot be imported; see `test_golden`.

It reads from a file a pickled list of (path of a module, name of a function, arguments), and writes what
the functions return to another. Named tuples travel as `("named tuple", name, {field: value})`, for
their classes are not to be had here.
"""

from __future__ import annotations

import collections
import importlib.util
import pickle
import sys
from typing import Any

MARK = "named tuple"


class Blocker:
    """Makes `import ad_compiler` fail."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.split(".")[0] == "ad_compiler":
            raise ImportError(f"{name} is blocked")


def packed(obj: Any) -> Any:
    if isinstance(obj, tuple) and hasattr(obj, "_fields"):
        fields = {name: packed(getattr(obj, name)) for name in obj._fields}
        return (MARK, type(obj).__name__, fields)
    if isinstance(obj, (tuple, list)):
        return type(obj)(packed(item) for item in obj)
    return {key: packed(item) for key, item in obj.items()} if isinstance(obj, dict) else obj


def unpacked(obj: Any) -> Any:
    if isinstance(obj, tuple) and len(obj) == 3 and isinstance(obj[0], str) and obj[0] == MARK:
        _, name, fields = obj
        cls = collections.namedtuple(name, fields)  # type: ignore[misc]
        return cls(**{key: unpacked(item) for key, item in fields.items()})
    if isinstance(obj, (tuple, list)):
        return type(obj)(unpacked(item) for item in obj)
    return {key: unpacked(item) for key, item in obj.items()} if isinstance(obj, dict) else obj


def called(function: Any, args: Any, cotangent: Any) -> Any:
    """What the function returns; of a value and a pullback, the pullback's result instead of itself."""
    if cotangent is None:
        return function(*args)
    value, pullback = function(*args)
    return value, pullback(cotangent)


def main(requests: str, results: str) -> None:
    sys.meta_path.insert(0, Blocker())
    with open(requests, "rb") as file:
        calls = pickle.load(file)
    returned = []
    for path, name, args, cotangent in calls:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        returned.append(packed(called(getattr(module, name), unpacked(args), cotangent)))
    assert not any(module.split(".")[0] == "ad_compiler" for module in sys.modules)
    with open(results, "wb") as file:
        pickle.dump(returned, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
