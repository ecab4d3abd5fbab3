"""Totals for web sites: computed from the stack's own database under a guard, kept in Redis, never stuck."""
