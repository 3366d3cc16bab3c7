"""The shared runtime of hotspare's resource agents.

Stand-alone: Python's standard library only, nothing of the `hotspare` package, no site-packages. Pacemaker starts an
agent anew for every action, so modules on the way of `monitor` (codes, declaration, environment, events, identity,
runtime, agent, gateway, markers) import next to nothing; what start, stop and cleaning need is imported where it is
called.
"""
