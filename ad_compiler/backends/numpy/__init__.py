"""The NumPy backend: programs to readable Python source."""
