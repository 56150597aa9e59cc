"""The façade over the native core, and the only package that imports it.

One module for each thing that the core offers; a client loads no more than it uses.
"""
