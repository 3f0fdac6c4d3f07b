"""From loop nests to loop nests; `optimising.py` has the passes in their order."""
