"""Upkeep of the repository; not part of the library."""
