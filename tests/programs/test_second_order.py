"""Programs of the corpus differentiated twice: forward over reverse, and reverse over reverse.

What is differentiated again is generated source, which is refused now and then. `WORKING` must not be.
"""

from __future__ import annotations

import copy
import zlib
from typing import Any

import numpy as np
import pytest

from ad_compiler import Unsupported, jvp, vjp
from ad_compiler.testing import is_real, leaves, moved
from tests.helpers import function_from_source
from tests.programs.corpus import PROGRAMS, Example
from tests.programs.test_corpus import name_of, weighted, weights

CHOSEN = [
    example
    for example in PROGRAMS
    if example.of is None
    and all(np.asarray(leaf).dtype != np.float32 for leaf in leaves(example.args))
    and zlib.crc32(name_of(example).encode()) % 12 == 0
]


WORKING = {
    "aliases.function_applied_in_place",
    "aliases.one_row_in_a_list_three_times",
    "arguments.parameters_stepped",
    "comprehensions.stacked_states",
    "comprehensions.trajectory_as_an_array",
    "early_exits.break_in_nested_counts",
    "early_exits.first_turns_of_loops_that_count_down",
    "for_loops.carried_dict",
    "for_loops.keys_picked_by_name",
    "for_loops.powers_from_a_list",
    "for_loops.sign_decides_each_turn",
    "for_loops.visit_in_given_order",
    "functions.function_that_makes_a_function",
    "functions.helper_leaves_in_both_ways",
    "integrators.n_body",
    "item_writes.arrays_around_a_slice",
    "item_writes.chained_assignment",
    "item_writes.diagonal_by_two_index_arrays",
    "item_writes.ellipsis",
    "item_writes.full_of_a_variable",
    "item_writes.open_mesh",
    "item_writes.swapped_elements",
    "loops_with_writes.buffer_overwritten_in_each_turn",
    "loops_with_writes.horner_on_a_grid",
    "loops_with_writes.nonlinear_sweeps",
    "loops_with_writes.soft_time_warping",
    "sequences.optimal_stopping",
    "solvers.backtracking_line_search",
    "solvers.escape_trajectory",
    "solvers.trapezoids",
    "stencils.conv2d",
    "stencils.gauss_seidel_3d",
    "ufunc_writes.masked_by_putmask",
    "unpacking.both_ends_and_the_middle",
    "unpacking.stiffness_by_connectivity",
    "views.rows_of_an_iteration",
    "views.selections_are_copies",
    "while_loops.cosine_fixed_point",
    "while_loops.for_in_while",
}


def gradients_of(example: Example) -> tuple[Any, tuple[int, ...], Any]:
    """The gradients of a program by a random cotangent: as a program, the arguments they are by, and they."""
    value, pullback = vjp(example.function, *copy.deepcopy(example.args))
    cotangent = weights(value, np.random.default_rng(7))
    found = pullback(cotangent)
    moving = tuple(place for place, gradient in enumerate(found) if gradient is not None)
    names = ", ".join(f"x{place}" for place in range(len(example.args)))
    text = f"""
    def gradients({names}):
        value, pullback = vjp(program, {names}, argnums={moving})
        return pullback(cotangent)
    """
    return function_from_source(text, vjp=vjp, program=example.function, cotangent=cotangent), moving, found


@pytest.mark.parametrize("example", CHOSEN, ids=name_of)
def test_second_derivatives(example: Example) -> None:
    args = copy.deepcopy(example.args)
    gradients, moving, found = gradients_of(example)
    rng = np.random.default_rng(3)
    tangents = tuple(weights(g, rng) if place in moving else None for place, g in enumerate(found))
    try:
        first, second = jvp(gradients, args, tangents)
    except Unsupported as error:
        if name_of(example) in WORKING:
            raise
        pytest.skip(error.reason)
    for mine, expected in zip(leaves(first), leaves([found[place] for place in moving]), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-9, atol=1e-9)

    def at(step: float) -> list[Any]:
        shifted = [a if t is None else moved(a, t, step) for a, t in zip(args, tangents, strict=True)]
        return [leaf for leaf in leaves(gradients(*shifted)) if is_real(leaf)]

    for mine, ahead, behind in zip(filter(is_real, leaves(second)), at(1e-5), at(-1e-5), strict=True):
        expected = (np.asarray(ahead) - np.asarray(behind)) / 2e-5
        scale = 1 + np.max(np.abs(expected), initial=0.0)
        np.testing.assert_allclose(mine, expected, rtol=1e-4, atol=1e-6 * scale)

    cotangent = weights(first, rng)
    backwards = vjp(gradients, *args, argnums=moving)[1](cotangent)
    products = weighted(leaves(second), leaves(cotangent))
    expected = sum(weighted(g, tangents[place]) for g, place in zip(backwards, moving, strict=True))
    size = sum(float(np.sum(np.abs(leaf))) for leaf in leaves(backwards) if is_real(leaf))
    assert abs(products - expected) <= 1e-9 * (1 + size)
    for mine, before in zip(leaves(args), leaves(example.args), strict=True):
        np.testing.assert_array_equal(mine, before, err_msg="an argument was changed")
