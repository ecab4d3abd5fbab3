"""Faults injected into real servers and processes, and what must hold all the same."""
