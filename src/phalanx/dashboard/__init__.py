"""The dashboard: pages rendered on the node, kept live by its event stream.

Works without a network and without trusting what it shows: nothing is loaded from elsewhere, nothing inline is
allowed to run, and every record is escaped text. ``create_pages(node)`` gives the routes; the API's application
serves them.

Raises nothing of its own.
"""

from phalanx.dashboard._pages import create_pages

__all__ = ["create_pages"]
