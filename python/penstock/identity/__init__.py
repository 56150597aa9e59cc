"""Adapters that prove who somebody is: passwords, tokens, keys and certificates."""
