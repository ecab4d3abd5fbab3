"""A second opinion: what docs/semantics.md says a configuration computes, in plain loops over rows, without SQL.

`evaluate` is written from the page and shares nothing with the product that computes. `generate` draws odd tables and
configurations, `compare` lets the product compute them, and says where the two differ.
"""
