"""From the program to loop nests: every operation as loops, lengths, memory."""
