"""Databases that are read: what all engines share, and one package an engine.

`base` says what an engine gives, `registry` chooses it by the URL; the SQL is written in `statements` and what it uses.
"""
