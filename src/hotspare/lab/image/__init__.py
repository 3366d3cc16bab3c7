"""The base image of the lab's machines."""

from hotspare.lab.image.build import cached_image, ensure_image, sweep

__all__ = ["cached_image", "ensure_image", "sweep"]
