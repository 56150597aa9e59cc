"""What leaving through Penstock costs beside its peers, measured in one run."""
