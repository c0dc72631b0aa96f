"""Every error of the service as a ``Problem``: one plain sentence."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models.acceptance import Unacceptable
from models.contract import SAMPLE_LIMIT, Problem, Shape
from models.desks import BROKEN, Full

#: A sample of the largest size in base64, and some room for everything else.
BODY_LIMIT = 4 * SAMPLE_LIMIT // 3 + 100_000


def add_problems(app: FastAPI) -> None:
    """Turn every error into a Problem."""
    app.add_middleware(Bounded)

    @app.exception_handler(Full)
    async def full(_: Request, error: Full) -> Response:
        problem = Problem(sentence=str(error), retry_after=error.retry_after)
        response = answer(429, problem)
        response.headers["Retry-After"] = str(max(1, round(error.retry_after)))
        return response

    @app.exception_handler(Unacceptable)
    async def unacceptable(_: Request, error: Unacceptable) -> Response:
        return answer(422, Problem(sentence=str(error), again=False))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return answer(422, Problem(sentence=plain_sentence(error), again=False))

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> Response:
        again = error.status_code >= 500
        return answer(error.status_code, Problem(sentence=f"{error.detail}.", again=again))

    @app.exception_handler(Exception)
    async def broken(_: Request, error: Exception) -> Response:
        return answer(500, Problem(sentence=BROKEN))


class Bounded:
    """Refuses bodies larger than any request may be, before they fill the memory."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what comes in; a length that is promised may be a lie or missing."""
        come = 0

        async def counted() -> Message:
            nonlocal come
            message = await receive()
            come += len(message.get("body", b""))
            if come > BODY_LIMIT:
                raise HTTPException(413, "The body is too large")
            return message

        await self._app(scope, counted if scope["type"] == "http" else receive, send)


def answer(status: int, shape: Shape) -> Response:
    """Answer with a shape as JSON."""
    return Response(shape.model_dump_json(), status, media_type="application/json")


def plain_sentence(error: RequestValidationError) -> str:
    """Say what is wrong with the first wrong field of a request."""
    first = error.errors()[0]
    limits = first.get("ctx", {})
    names = [str(part) for part in first["loc"][1:] if isinstance(part, str)]
    field = ".".join(names) or "The body"
    sentences = {
        "json_invalid": "The body is not valid JSON.",
        "missing": f"{field} is missing.",
        "extra_forbidden": f"{field} is not a field of this request.",
        "greater_than_equal": f"{field} must be at least {limits.get('ge')}.",
        "greater_than": f"{field} must be more than {limits.get('gt')}.",
        "less_than_equal": f"{field} must be at most {limits.get('le')}.",
        "less_than": f"{field} must be less than {limits.get('lt')}.",
        "string_too_short": f"{field} must not be empty.",
        "string_too_long": f"{field} must have at most {limits.get('max_length')} characters.",
        "enum": f"{field} must be {limits.get('expected')}.",
    }
    return sentences.get(first["type"], f"{field}: {first['msg']}.")
