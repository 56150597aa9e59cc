"""Load balancers before a gateway: each runs the file that is shipped for it."""
