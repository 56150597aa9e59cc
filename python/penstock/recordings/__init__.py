"""Adapter to the files that recordings are."""
