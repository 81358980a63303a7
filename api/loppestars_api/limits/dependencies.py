"""Rate limits as dependencies of routes."""

from fastapi import Request

from loppestars_api.services import ServicesOf


async def limit_reads(request: Request, services: ServicesOf) -> None:
    """Count a read by its address. Raises `TooManyRequests`."""
    services.list_limiter.take(services.addresses.key_of(request.scope))
