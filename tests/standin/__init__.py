"""A stand-in for Neutron: its scheduler's semantics in memory, and an HTTP server over them that the real adapter
speaks to unchanged. For property tests, benchmarks and the contract suite, which holds it against the real one.
"""
