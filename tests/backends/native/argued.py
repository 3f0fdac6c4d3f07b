"""What may be refused or left to NumPy code under `backend="numba"`, and why: the list can only shrink."""

REFUSED: dict[str, tuple[int, str]] = {
    "a number that becomes an array has no native form": (1, "a variable of compiled code has one type"),
    "a derivative that is called as a function has": (7, "a function with derivatives has two results"),
    "a float16": (11, "Numba has no arithmetic of this type on processors"),
    "a float128": (1, "Numba has no such type"),
    "a >f8": (1, "Numba has no types of another order of bytes"),
}
"""Parts of reasons: in how many tests they may be met, and the argument."""

DEPARTED = {
    "x[[True, False], [0, 0]]": "a mask joined with an index array has a length known at run time only",
    "np.einsum('i,i": "an axis that happens to have length 1 is stretched",
    "a row of unknown length 1 broadcasts": "an axis that happens to have length 1 is stretched",
    "divided_by_its_own_first_row": "an axis that happens to have length 1 is stretched",
    "lengths.cut_off": "an axis that happens to have length 1 is stretched",
    "another_length_raises_as_in_python": "the exception is that of NumPy code",
    "too_few_for_a_star": "the exception is that of NumPy code",
    "decompositions_that_are_not_differentiable": "the exception is that of NumPy code",
    "test_a_check_inside_of_a_recursion_is_kept": "the exception is that of NumPy code",
    "test_a_recursion_too_deep_for_python": "the exception is that of NumPy code",
    "linalg.eigh(x+x.T, y@y.T+np.eye(3)": "the library makes more precise numbers than is inferred",
    "linalg.eigvalsh(x+x.T, y@y.T+np.eye(3)": "as `eigh`",
    "test_wide_polar": "the library makes numbers of another kind than is inferred",
    "test_functions_that_are_complex": "the exception is that of NumPy code",
}
"""Parts of the names of tests whose answer comes from NumPy code, and the argument."""

AS_PYTHON = {"test_complex.py::test_loops_and_writes": "its loops as Python give NumPy's scalars"}
"""Parts of the names of tests that only compiled code passes."""

ROUNDED = {
    "linalg.expm_frechet(x,y,compute_expm=False)": "SciPy rounds arrays in another order of memory otherwise"
}
"""Parts of the names of tests whose tolerance is that of arrays passed on as they lie in memory."""
