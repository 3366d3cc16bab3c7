"""The shared runtime of hotspare's resource agents.

Stand-alone: Python's standard library only, nothing of the `hotspare` package, no site-packages. Pacemaker starts an
agent anew for every action, so modules on the way of `monitor` (codes, declaration, environment, events, identity,
runtime, agent, gateway, markers) import next to nothing; what start, stop and cleaning need is imported where it is
called. The monitor that is asked most often has a way of its own, glance.

For the same reason glance and gateway, and what they load, take the calls of the kernel from `posix`, which is built
in: `os` has the same ones, and loading it is an eighth of what a monitor costs.
"""
