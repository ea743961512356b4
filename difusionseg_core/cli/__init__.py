"""The command line, one file per command: it parses, calls one function, and prints.

May import every room of the core.
"""
