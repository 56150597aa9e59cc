"""`penstock demo`: a gateway, an agent and a real database on this machine, until Ctrl-C."""
