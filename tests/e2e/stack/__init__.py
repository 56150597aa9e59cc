"""A whole Penstock for the end-to-end tests: real servers and clients, each a process of its own."""
