"""The client: a core without input or output, a pump that runs it on asyncio, and two faces.

`coord.connect` and `coord.aio.connect` make one. The faces have the same methods; retries,
numbering, routing, watches and leases are decided in the core alone.
"""
