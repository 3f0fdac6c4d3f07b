"""Random programs with loops, branches, views and writes in place: gradients, or refusals that are rare."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, assume, given, note, settings
from hypothesis import strategies as st

from ad_compiler import Unsupported, vjp
from tests.helpers import (
    assert_same_kind,
    directional_derivative,
    function_from_source,
    random_direction,
    snapshot,
    strided,
)
from tests.random_loops import Program, programs

# Each is in at least one program of twenty.
CONSTRUCTS = [
    *["for over range", "range: negative step", "range: variable step", "range: perhaps no turn"],
    *[
        "for over an array",
        "nested loops",
        "while with a counter",
        "while with a tolerance",
        "else of a loop",
    ],
    *["break in a loop", "continue in a loop", "return in a loop", "return"],
    *["condition on data", "condition on whole numbers", "scalar recurrence", "whole number becomes float"],
    *["view: slice", "view: row", "view: reshape", "view: ravel", "view: transpose", "view of a view"],
    *["write: a[i] = e", "write: a[i] op= e", "write: a op= e", "write: slice or row", "write: fancy index"],
    *["write: mask", "write: overlap", "write: through a view", "write: into view", "write: into argument"],
    *["write: into parameter", "write: into second name", "alias held across a write", "swapped buffers"],
    *["list that grows", "helper", "helper that writes", "recursion"],
]


def draw_arguments(program: Program, rng: np.random.Generator) -> list[Any]:
    """Random numbers; arrays that are not contiguous, where the program does not ask for it."""
    layout = strided if program.any_layout and rng.uniform() < 0.2 else np.copy
    args: list[Any] = []
    for shape in program.arguments.values():
        if isinstance(shape, int):
            args.append(shape)
        else:
            args.append(layout(rng.uniform(-1.5, 1.5, shape)) if shape else float(rng.uniform(-1.5, 1.5)))
    return args


def numbers_in(result: Any) -> Any:
    """All numbers of a result, which may be a tuple, in one vector."""
    parts = result if isinstance(result, tuple) else (result,)
    return np.concatenate([np.ravel(np.asarray(part, dtype=np.float64)) for part in parts])


def in_structure(numbers: Any, result: Any) -> Any:
    """The numbers in the structure of a result: a cotangent for it."""
    if isinstance(result, tuple):
        ends = np.cumsum([np.size(part) for part in result])[:-1]
        pieces = zip(np.split(numbers, ends), result, strict=True)
        return tuple(in_structure(piece, part) for piece, part in pieces)
    return numbers.copy().reshape(np.shape(result)) if np.shape(result) else float(numbers[0])


def differences(f: Any, args: list[Any], directions: list[Any]) -> float | None:
    """Finite differences; None where a kink or a branch is within their reach."""
    coarse = float(directional_derivative(f, args, directions, step=1e-4))
    fine = float(directional_derivative(f, args, directions, step=1.7e-5))
    return coarse if abs(coarse - fine) <= 3e-7 * (1 + abs(fine)) else None


def check(text: str, args: list[Any], rng: np.random.Generator) -> str:
    """What became of the program: "right", "unclear", "discarded", or why it was refused.

    Unclear is a place where finite differences of two step sizes disagree; discarded is a program whose
    values are not finite or large. Whatever is wrong raises.
    """
    f = function_from_source(text)

    def numbers(*args: Any) -> Any:
        return numbers_in(f(*[np.copy(arg) if isinstance(arg, np.ndarray) else arg for arg in args]))

    with np.errstate(all="ignore"):
        plain = numbers(*args)
        if not np.all(np.abs(plain) < 1e4):
            return "discarded"
        cotangent = random_direction(rng, plain)
        try:
            gradients = gradients_by_vjp(f, args, plain, cotangent)
        except Unsupported as refusal:
            return f"refused: {refusal.reason}"
        compared = 0
        for _ in range(2):
            directions: list[Any] = [None] * len(args)
            for i in gradients:
                directions[i] = random_direction(rng, args[i])
            expected = differences(lambda *args: cotangent @ numbers(*args), args, directions)
            if expected is None:
                continue
            compared += 1
            products = np.concatenate([np.ravel(g * directions[i]) for i, g in gradients.items()])
            error = abs(np.sum(products) - expected)
            allowed = 1e-6 * (1 + np.sum(np.abs(products)))
            assert error <= allowed, f"{np.sum(products)} is not {expected}; gradients {gradients}"
    return "right" if compared else "unclear"


def gradients_by_vjp(f: Any, args: list[Any], plain: Any, cotangent: Any) -> dict[int, Any]:
    """Pull the cotangent back, twice: nothing that the caller holds may change, the pullback included."""
    before = snapshot(args)
    reals = [i for i, arg in enumerate(args) if not isinstance(arg, int)]
    value, pullback = vjp(f, *args, argnums=tuple(reals))
    np.testing.assert_allclose(numbers_in(value), plain, rtol=1e-12, atol=1e-12)
    gradients = pullback(in_structure(cotangent, value))
    first = [np.copy(gradient) for gradient in gradients]
    again = pullback(in_structure(cotangent, value))
    assert snapshot(args) == before, "the caller's arguments were changed"
    for i, one, two in zip(reals, first, again, strict=True):
        assert_same_kind(two, args[i])
        np.testing.assert_array_equal(one, two, err_msg="a second call of the pullback differs")
    return dict(zip(reals, gradients, strict=True))


# Most of it: arrays that loops exchange while one of them is run over, or is held under a second name.
REFUSED_AT_MOST = 0.05


def test_gradients_of_random_loops() -> None:
    """Nothing is wrong, nineteen of twenty are accepted, and every construct is there often enough."""
    outcomes: Counter[str] = Counter()
    constructs: Counter[str] = Counter()

    @settings(
        max_examples=500,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate, Phase.shrink],
        report_multiple_bugs=False,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )
    @given(programs(), st.integers(0, 2**32 - 1))
    def run(program: Program, seed: int) -> None:
        rng = np.random.default_rng(seed)
        args = draw_arguments(program, rng)
        note(program.text)
        note(f"arguments: {args}")
        outcome = check(program.text, args, rng)
        assume(outcome != "discarded")
        outcomes[outcome] += 1
        constructs.update(program.constructs)

    run()
    count = outcomes.total()
    refusals = {what: n for what, n in outcomes.most_common() if what.startswith("refused")}
    listed = "".join(f"\n{n:4} {what}" for what, n in refusals.items())
    assert sum(refusals.values()) <= REFUSED_AT_MOST * count, f"of {count} programs:{listed}"
    assert outcomes["unclear"] <= 0.05 * count, outcomes
    rare = {part: constructs[part] for part in CONSTRUCTS if constructs[part] < 0.05 * count}
    assert not rare, f"of {count} programs few have: {rare}"
