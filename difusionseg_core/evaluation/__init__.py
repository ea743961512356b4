"""Evaluations of data sets and recordings, their comparison, and the speed benchmark.

May import every room but `training`, `scenes` and `cli`.
"""
