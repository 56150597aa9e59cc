"""Passwords: from stdin for scripts, from a prompt for people, never from the arguments."""

from __future__ import annotations

import sys

import click

_MAX = 4096


def read_password(from_stdin: bool, *, confirm: bool = False) -> str:
    """The password. A usage error if there is none to be had."""
    if from_stdin:
        password = sys.stdin.readline(_MAX).rstrip("\r\n")
    elif sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=confirm, err=True)
    else:
        raise click.UsageError("There is no terminal to ask for the password at; use --password-stdin.")
    if not password:
        raise click.UsageError("The password is empty.")
    return str(password)


def read_email(email: str | None) -> str:
    """The e-mail address, asked for if it was not given and somebody is there."""
    if email:
        return email
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask for the e-mail address at; use --email.")
    return str(click.prompt("E-mail", err=True))
