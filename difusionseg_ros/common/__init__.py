"""Code that several nodes share: topics, image messages, parameters, logs, the run loop.

Imports the core, and no other room of this package.
"""
