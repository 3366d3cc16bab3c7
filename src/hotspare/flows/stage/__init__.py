"""The stager: on the node that carries a gateway it publishes the data plane, on the others it keeps a twin of it."""
