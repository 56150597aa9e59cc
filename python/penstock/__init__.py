"""Penstock: an open, identity-aware access gateway."""

__version__ = "0.1.0"
