"""From programs to text, and from text to functions."""
