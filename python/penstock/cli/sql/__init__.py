"""SQL on a connection: libpq below, one writer per output format above."""
