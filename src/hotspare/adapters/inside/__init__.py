"""What is inside the network namespaces of a node's routers: seen, made, and watched.

`namespaces` is the face. `netns` enters, makes and drops them; `netlink` speaks to the kernel; `links`, `rules` and
`sysctls` are what there is in one; `looking` and `doing` go through one, `watching` waits for changes in all.
"""
