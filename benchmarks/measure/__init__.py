"""What the benchmarks of publishing and of egress share: load, its cost, and the table."""
