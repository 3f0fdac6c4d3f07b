"""The corpus of programs in native code, against NumPy code; what has no native form is listed."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from ad_compiler import Unsupported, vjp
from ad_compiler.testing import is_real, leaves
from tests.programs.corpus import PROGRAMS, Example
from tests.programs.test_corpus import name_of, result_of, weights

pytest.importorskip("numba")

REFUSED: dict[str, str] = {
    "aliases.history_of_copies": "a list that changes its length has no native form",
    "comprehensions.array_of_a_list_comprehension": "a list that changes its length has no native form",
    "comprehensions.comprehension_with_a_filter": "a list that changes its length has no native form",
    "comprehensions.comprehension_with_a_choice": "a list that changes its length has no native form",
    "comprehensions.map_a_function": "a list that changes its length has no native form",
    "comprehensions.trajectory_as_an_array": "a list that changes its length has no native form",
    "comprehensions.stacked_states": "a list that changes its length has no native form",
    "comprehensions.concatenated_pieces": "a list that changes its length has no native form",
    "comprehensions.sum_of_a_list_of_arrays": "a list that changes its length has no native form",
    "comprehensions.stack_machine": "a list that changes its length has no native form",
    "comprehensions.queue_from_the_front": "a list that changes its length has no native form",
    "comprehensions.recurrence_that_reads_its_list": "a list that changes its length has no native form",
    "comprehensions.sum_over_all_earlier_terms": "a list that changes its length has no native form",
    "comprehensions.split_into_two_lists": "a list that changes its length has no native form",
    "comprehensions.inner_name_does_not_leak": "a list that changes its length has no native form",
    "comprehensions.enumerate_in_a_comprehension": "a list that changes its length has no native form",
    "comprehensions.list_of_arrays_becomes_a_matrix": "a list that changes its length has no native form",
    "early_exits.returned_from_the_loop_in_known_turns": "a list that changes its length has no native form",
    "for_loops.sine_series": "`math.factorial` has no native form yet",
    "for_loops.whole_zero_becomes_array": "a number that becomes an array has no native form",
    "functions.recursive_horner": "a function that calls itself has no native form",
    "functions.recursive_power": "a function that calls itself has no native form",
    "functions.tree_sum_of_halves": "a function that calls itself has no native form",
    "functions.recursion_until_small": "a function that calls itself has no native form",
    "functions.mutual_recursion": "a function that calls itself has no native form",
    "functions.recursion_writes": "a function that calls itself has no native form",
    "functions.recursion_writes_through_views": "a function that calls itself has no native form",
    "functions.recursion_returns_what_it_writes": "a function that calls itself has no native form",
    "functions.two_recursive_calls": "a function that calls itself has no native form",
    "functions.return_inside_try": "a list that changes its length has no native form",
    "functions.timed_iterations": "a list that changes its length has no native form",
    "integrators.heun_lorenz": "a list that changes its length has no native form",
    "sequences.kalman_filter": "a list that changes its length has no native form",
    "sequences.lstm": "a list that changes its length has no native form",
    "sequences.stacked_lstm": "a list that changes its length has no native form",
    "sequences.knock_out_option": "a list that changes its length has no native form",
    "solvers.rosenbrock_with_momentum": "a list that changes its length has no native form",
    "solvers.smooth_escape": "a list that changes its length has no native form",
    "solvers.adaptive_simpson": "a list that changes its length has no native form",
    "ufunc_writes.columns_sorted_in_place": "sorting of arrays that are no vectors has no native form",
}
"""Programs without a native form, and what the refusal says."""

REPRESENTATIVE = 16  # every so manieth program runs in every test run, the others only with -m slow


def cases() -> list[Any]:
    return [
        pytest.param(example, id=name_of(example), marks=[] if n % REPRESENTATIVE == 0 else pytest.mark.slow)
        for n, example in enumerate(PROGRAMS)
    ]


@pytest.mark.parametrize("example", cases())
def test_program(example: Example) -> None:
    args = copy.deepcopy(example.args)
    cotangent = weights(result_of(example, args), np.random.default_rng(7))
    expected_value, expected_pullback = vjp(example.function, *args, of=example.of)
    expected = expected_pullback(cotangent)
    if name_of(example) in REFUSED:
        with pytest.raises(Unsupported) as caught:
            vjp(example.function, *args, of=example.of, backend="numba", cache=False)
        assert REFUSED[name_of(example)] in caught.value.reason
        assert caught.value.lineno is not None and caught.value.text
        return
    value, pullback = vjp(example.function, *args, of=example.of, backend="numba", cache=False)
    gradients = pullback(cotangent)
    again = pullback(cotangent)

    for mine, other in zip(leaves(value), leaves(expected_value), strict=True):
        assert np.asarray(mine).dtype == np.asarray(other).dtype
        np.testing.assert_allclose(mine, other, rtol=1e-12, atol=1e-12, err_msg="the value")
    for mine, before in zip(leaves(args), leaves(example.args), strict=True):
        np.testing.assert_array_equal(mine, before, err_msg="an argument was changed")
    for mine, other, second in zip(leaves(gradients), leaves(expected), leaves(again), strict=True):
        if is_real(other):
            assert np.asarray(mine).dtype == np.asarray(other).dtype and np.shape(mine) == np.shape(other)
            scale = 1 + np.max(np.abs(other), initial=0.0)
            np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-12 * scale, err_msg="a gradient")
            np.testing.assert_array_equal(second, mine, err_msg="a second call of the pullback differs")
