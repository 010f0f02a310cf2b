"""The OpenAPI document. ``python -m trunkline.api.openapi`` prints it."""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

import trunkline
from trunkline.api.described import API, COMMON, WITH_BODY, Problem, failure
from trunkline.api.guarded import GuardedRoute
from trunkline.api.plan import ApiPlan
from trunkline.api.v1 import ROUTERS

_SECURITY: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "ticket": {
        "type": "apiKey",
        "in": "query",
        "name": "ticket",
        "description": "From `POST /v1/events/ticket`.",
    },
}
_TAGS: Final = [
    {"name": "tokens", "description": "Who somebody is."},
    {"name": "devices", "description": "Phones that are woken."},
    {"name": "calls", "description": "Calls that come and go, by their tokens."},
    {"name": "events", "description": "What happens, as it happens."},
    {"name": "health", "description": "Whether we are well."},
]


def openapi(plan: ApiPlan | None = None) -> dict[str, Any]:
    """The document; with where ``plan`` says that we are."""
    routes = [route for router in ROUTERS for route in router.routes]
    document = get_openapi(
        title="Trunkline",
        version=trunkline.__version__,
        summary="The mobile gateway",
        description=API,
        routes=routes,
        tags=_TAGS,
        servers=[{"url": _server(plan)}],
    )
    components = document.setdefault("components", {})
    components["securitySchemes"] = _SECURITY
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = _without_null(Problem.model_json_schema())
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for route in routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                _complete(document["paths"][route.path_format][method.lower()], route)
    return document


def _server(plan: ApiPlan | None) -> str:
    if plan is None:
        return "/"
    return plan.public_url or plan.root_path or "/"


def _complete(operation: dict[str, Any], route: APIRoute) -> None:
    """Add what all routes of a sort may answer; take away what the framework thinks that they may."""
    found = operation["responses"]
    if 422 not in route.responses:
        found.pop("422", None)
    guarded = isinstance(route, GuardedRoute) or "security" in operation
    more = {**(COMMON if guarded else {}), **(WITH_BODY if route.body_field is not None else {})}
    for status, text in more.items():
        found.setdefault(str(status), failure(text))
    for reply in found.values():
        if reply.get("content") == {"application/json": {"schema": {}}}:
            del reply["content"]  # an empty reply
    if "401" in found:
        found["401"]["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}, "required": True}}
    if "429" in found:
        found["429"]["headers"] = {"Retry-After": {"schema": {"type": "string"}, "required": True}}
    if isinstance(route, GuardedRoute):
        operation["security"] = [{"bearer": []}]
    operation["responses"] = dict(sorted(found.items()))


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Fields that may be missing are never null."""
    for name, field in schema["properties"].items():
        if "anyOf" in field:
            kind = next(option for option in field.pop("anyOf") if option.get("type") != "null")
            field.pop("default", None)
            schema["properties"][name] = {**field, **kind}
    return schema


if __name__ == "__main__":
    json.dump(openapi(), sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
