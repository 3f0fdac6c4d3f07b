"""The backend that lowers a program to explicit loops over numbers, compiled by Numba.

dispatch.py          the road of a program through this backend, and the way from a call to compiled code
lowering/            the program to loop nests
nests.py             what loop nests are; affine.py, scalars.py and accessing.py are about their parts
passes/              loop nests to loop nests: fused, interchanged, shared among threads
sweeps.py            loop nests to functions,
kernels.py           and to the text of a module
loading.py           the text to compiled functions; caching.py keeps them for the next process
run_time/            what compiled code calls
numba_extensions/    what Numba is taught
entry/               calls of derivatives that are answered without Python
"""
