"""A statement that would be found in a log."""

from __future__ import annotations

import secrets

MARK = f"mark{secrets.token_hex(8)}"
"""Stands in every statement of the tests that look for it."""

QUERY = f"SELECT '{MARK}'"
