"""Devices of a node: where circuits and batch jobs go, the calendar, what is prepared ahead; usable without a node
too.
"""
