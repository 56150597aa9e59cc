"""Who may: the one seam through which every use of a connection is decided."""
