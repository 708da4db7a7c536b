"""The API's description (OpenAPI 3.1), made of the table of routes and the types it names: it cannot say anything else
than what is done.
"""

from functools import cache
from typing import Any, Final

import msgspec
from msgspec.json import schema_components

import portguard
from portguard.admin.problems import MEDIA_TYPE, TITLES, Problem
from portguard.admin.routes import ROUTES, Nothing, Route

_TEMPLATE: Final = "#/components/schemas/{name}"
_FAULTS: Final = {
    "any": (400, 401, 403, 408, 409, 422, 429, 500, 503), "body": (413, 415), "path": (404,),
}


@cache
def document() -> bytes:
    """The description as JSON."""
    return msgspec.json.encode(_document())


def _document() -> dict[str, Any]:
    types = [kind for route in ROUTES for kind in (route.path, route.query, route.body, route.answer) if kind]
    schemas, components = schema_components([*types, Problem], ref_template=_TEMPLATE)
    of = dict(zip(map(_key, [*types, Problem]), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.template, {})[route.method.lower()] = _operation(route, of, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "portguard admin API", "version": portguard.__version__, "license": {"name": "Apache-2.0"},
            "description": "Steering a node: registry, sessions, suspensions, consent, complaints, records. Errors are "
            "problems (RFC 9457) that name the field and the remedy.",
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            # What is spread over parameters is no component of its own.
            "schemas": _reachable(components, paths),
            "securitySchemes": {
                "token": {
                    "type": "http", "scheme": "bearer",
                    "description": "A token of `portguard admin token add`; a reader's may not change anything.",
                }
            },
        },
    }


def _reachable(components: dict[str, Any], paths: dict[str, Any]) -> dict[str, Any]:
    """The components that the paths name, or that those name."""
    found: dict[str, Any] = {}
    text = msgspec.json.encode(paths).decode()
    while True:
        more = {
            name: schema for name, schema in components.items()
            if name not in found and f'"{_TEMPLATE.format(name=name)}"' in text
        }
        if not more:
            return dict(sorted(found.items()))
        found |= more
        text = msgspec.json.encode(more).decode()


def _operation(route: Route, of: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name, "summary": route.summary, "tags": [route.group],
        "description": f"For the role {route.role}.",
        "parameters": [*_parameters("path", of[_key(route.path)], components),
                       *_parameters("query", of[_key(route.query)], components)],
        "responses": _responses(route, of),
    }  # fmt: skip
    if route.body is not None:
        operation["requestBody"] = {
            "required": route.body is not Nothing,
            "content": {"application/json": {"schema": of[_key(route.body)]}},
        }
        if route.body is Nothing:
            operation["requestBody"]["content"]["application/json"]["schema"] = {
                "type": "object", "properties": {}, "additionalProperties": False,
            }
    return operation


def _parameters(place: str, schema: dict[str, Any], components: dict[str, Any]) -> list[dict[str, Any]]:
    """The fields of a Struct as parameters."""
    struct = components[schema["$ref"].rpartition("/")[2]]
    return [
        {
            "name": name, "in": place, "required": place == "path" or name in struct.get("required", []),
            "schema": {key: value for key, value in field.items() if key != "description"},
            **({"description": field["description"]} if "description" in field else {}),
        }
        for name, field in struct["properties"].items()
    ]


def _responses(route: Route, of: dict[str, Any]) -> dict[str, Any]:
    kinds = ["any", *(["body"] if route.body is not None else []), "path"]
    statuses = sorted(status for kind in kinds for status in _FAULTS[kind])
    media = "text/event-stream" if route.stream else "application/json"
    done: dict[str, Any] = {"description": "Done.", "headers": _REQUEST_ID}
    done["content"] = {media: {"schema": {"type": "string"} if route.stream else of[_key(route.answer)]}}
    problem = {"schema": of[_key(Problem)]}
    return {
        "200": done,
        **{
            str(status): {
                "description": f"{TITLES[status]}.", "headers": _REQUEST_ID, "content": {MEDIA_TYPE: problem},
            }
            for status in statuses
        },
    }


_REQUEST_ID: Final = {
    "X-Request-Id": {"description": "The request's id, as in the log.", "schema": {"type": "string"}}
}


def _key(kind: Any) -> str:
    return str(kind)
