"""Models that ship with the library or are ported to it."""
