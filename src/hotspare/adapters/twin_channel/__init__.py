"""What stagers speak over: the node that carries the gateway publishes its data plane, spares listen.

Every stager has a `publisher.Publisher`, which listens, and a `subscriber.Subscriber`, which keeps a link to every
peer. Frames come only from a peer that carries the gateway: first a whole state, then what changes it. A spare that is
too slow for the changes gets a whole state again, so that what waits for it is bounded. Nothing of this knows what is
in the frames.

How fresh is a spare? It numbers its signs of life, and a server repeats the last number it heard, behind all that was
published before. So whoever hears its own number back has all that was published when it said that number, by its own
clock: `Link.even_s`.
"""
