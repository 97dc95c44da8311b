"""Decisions that no minority of traitors can bend. So far its votes: see ``votes``."""
