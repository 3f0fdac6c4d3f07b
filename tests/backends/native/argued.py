"""Which tests `backend="numba"` does not pass as it should, and why: the lists can only shrink.

Tests are named by a part of their names, which may be that of several.
"""

REFUSED = {
    "test_dtype_of_the_gradient[float16-": ("a float16", "Numba has no arithmetic of this type"),
    "test_dtype_of_the_gradient[longdouble-": ("a float128", "Numba has no such type"),
    "test_extended_precision_is_kept": ("a float128", "Numba has no such type"),
    "test_byte_order_is_the_machines": ("a >f8", "Numba has no types of another order of bytes"),
    "test_messages_and_checks_are_made_once": ("`print`", "NumPy code would print again"),
    "test_results_that_are_constant": ("`print`", "NumPy code would print again"),
}
"""A part of the reason, and the argument."""

DEPARTED = {
    "x[[True, False], [0, 0]]": "a mask joined with an index array has a length known at run time only",
    "np.einsum('i,i": "an axis that happens to have length 1 is stretched",
    "a row of unknown length 1 broadcasts": "an axis that happens to have length 1 is stretched",
    "divided_by_its_own_first_row": "an axis that happens to have length 1 is stretched",
    "slices.stretched": "an axis that happens to have length 1 is stretched",
    "growing.stretched": "an axis that happens to have length 1 is stretched",
    "lengths.cut_off": "an axis that happens to have length 1 is stretched",
    "linalg.eigh(x+x.T, y@y.T+np.eye(3)": "the library makes more precise numbers than is inferred",
    "linalg.eigvalsh(x+x.T, y@y.T+np.eye(3)": "as `eigh`",
    "test_second_derivatives[sliding_window_view(x, 4) at [(4,)]]": "an array as short as the window",
    "test_second_derivatives[sliding_window_view(x, (2, 3), axis=(0, 1)) at [(2, 3)]]": "likewise",
    "np.gradient(x, axis=0) at [(3, 4)]": "likewise: three rows, and central differences",
    "np.gradient(x)[1] * np.gradient(x)[0] at [(3, 4)]": "likewise",
}
"""What NumPy code computes, for native code departs, and the argument."""

AS_PYTHON = {"test_complex.py::test_loops_and_writes": "its loops as Python give NumPy's scalars"}
"""What only compiled code passes."""

ROUNDED = {
    "linalg.expm_frechet(x,y,compute_expm=False)": "SciPy rounds arrays in another order of memory otherwise"
}
"""What has the tolerance of arrays passed on as they lie in memory."""
