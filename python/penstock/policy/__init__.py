"""Who may: the one seam through which every use of a connection or an app is decided."""
