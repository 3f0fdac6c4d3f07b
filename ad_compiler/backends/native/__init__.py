"""The backend that lowers a program to explicit loops over numbers, compiled by Numba."""
