"""What a session through Penstock costs beside the direct path and its peers, measured in one run."""
