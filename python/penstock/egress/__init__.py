"""The forward proxy's configuration, as people write it, compiled to what ``crates/egress`` reads."""
