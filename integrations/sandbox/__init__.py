"""A believable local Google."""

from integrations.sandbox.client import Sandbox
from integrations.sandbox.server import serve

__all__ = ["Sandbox", "serve"]
