"""The front end: from a Python function to a program."""
