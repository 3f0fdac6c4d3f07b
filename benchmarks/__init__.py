"""Benchmarks of generated gradients against other systems and against gradients by hand."""
