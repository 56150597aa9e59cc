"""The nouns of Penstock and the ports through which the outside is reached. Imports nothing of ours."""
