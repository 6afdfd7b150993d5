"""When people are told of trouble, once and in the right words (G31-G37, G106-G117)."""
