"""One file per REST resource. A resource is a class with its ``endpoints``."""
