"""Proof that recordings are what the gateway recorded: for whoever has its public key, without a gateway.

Beside a recording lie its seals: signed lines that say how far it had come (``ID.seals``). All sessions that
are over stand in the ledger, whose lines are signed and chained, so that none can be left out
(``docs/reference/recording-format.md``).
"""
