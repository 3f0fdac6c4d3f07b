"""What Numba is taught: how it compiles our functions, and machine code that is written by hand."""
