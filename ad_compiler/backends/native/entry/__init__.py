"""From a call to machine code and back, without Python in between."""
