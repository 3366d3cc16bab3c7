"""The daemon of strategy `reschedule`: it looks, has routers placed, moves them, and tells.

`daemon` is the loop, `mover` what is on its way, `move` one router's way, `ports` and `calls` what all of them share.
"""
