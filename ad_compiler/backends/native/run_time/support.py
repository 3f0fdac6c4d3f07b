"""What compiled code calls by name: native modules import it from here.

Each function has the semantics of Python or NumPy. Where Python or NumPy raise an exception, it departs
(`departure.py`): NumPy code then raises it.

A file is imported when one of its functions is: to import all of them takes a tenth of the time in which a
program starts whose machine code is in the cache.
"""

from __future__ import annotations

import importlib
from typing import Any

_FUNCTIONS = {
    "arrays_of_lists": (
        "concatenated filled filled_rows sections split_like stacked_arrays sum_of_arrays sum_of_numbers"
    ),
    "blas": "add_product_of_matrices product_of_matrices",
    "elementary": "vector_exp vector_log vector_tanh",
    "fused_products": "fused_product",
    "grid_sweeps": "sweep_grid sweep_grid_back",
    "growing_tapes": "grown turns_ahead with_arrays with_number with_numbers with_shapes",
    "math_functions": (
        "math_acos math_acosh math_asin math_atanh math_cos math_cosh math_exp math_expm1 math_fmod "
        "math_gamma math_hypot math_lgamma math_log math_log1p math_log2 math_log10 math_pow math_sin "
        "math_sinh math_sqrt math_tan"
    ),
    "number_functions": (
        "are_close bit_length cbrt complex_divide complex_exp divide floor_divide heaviside is_close "
        "maximum minimum minus_product modulo nan_to_num plus plus_product power product "
        "real_floor_divide real_floor_divide_checked real_modulo real_modulo_checked shifted_left "
        "shifted_right sinc total whole whole_floor_divide whole_modulo whole_power"
    ),
    "opaque": "at_run_time",
    "small_products": "product_of_vectors product_with_rows product_with_vector",
    "small_systems": (
        "few_cholesky few_determinant few_inverse few_slogdet few_solution few_solution_of_vector"
    ),
    "subscripts": "at bound slice_length slice_start turns",
    "underflow": "saw_underflow watch_underflow",
}
MODULE_OF = {name: module for module, names in _FUNCTIONS.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__package__}.{MODULE_OF[name]}"), name)
