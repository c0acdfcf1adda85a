"""The simulator as a server: in a test, or for a person at a terminal.

Rule: it answers like Google's Gemini API, refuses what Google refuses, and does what it was told to do wrong.

    GET  /v1beta/models, /v1beta/models/{model}
    POST /v1beta/models/{model}:generateContent, :streamGenerateContent[?alt=sse]
    GET  /simulator/calls     what was asked so far, without the bytes of pictures
    POST /simulator/faults    {"faults": [one per coming call], "always": [for every call]}
    POST /simulator/reset     forgets calls and faults
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import TracebackType
from typing import Any, Self

import click
import msgspec
from aiohttp import web

from impasto.simulator.answers import Answer, Order, answer_to, prompt_of
from impasto.simulator.delivery import BrokenOff, deliver, disturb
from impasto.simulator.errors import Rejected, bad_key, no_key, unknown_model
from impasto.simulator.faults import KINDS, Fault, UnknownFault, parse_plan, split_prompt
from impasto.simulator.gemini_wire import MAX_REQUEST_BYTES, Request, check_request, read_request
from impasto.simulator.models import MODELS, RETIRED, SimulatedModel, by_name
from impasto.simulator.replies import Reply, altered, instead, rejection, stream_reply, whole_reply
from impasto.simulator.spoiling import spoiled

_BAD_KEY = "bad"
_LONGEST_SHOWN = 200
_SHUTDOWN_SECONDS = 0.2
_ROOM_ABOVE_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a model.

    `method` is `generateContent` or `streamGenerateContent`; `body` is the JSON as it was sent, empty
    where it was none; header names are lower case. `status` is what is answered (`None` before
    that is known); `ended` says that the simulator is done with it; `aborted`
    that the caller hung up before.
    """

    number: int
    model: str
    method: str
    body: Request
    headers: Mapping[str, str]
    status: int | None = None
    ended: bool = False
    aborted: bool = False


class GeminiSimulator:
    """A Gemini API on a port of this machine, for as long as the `async with` lasts.

    `key`: the only one that is taken; without it any is, except `bad`. `retired` names answer 404.
    `picture_bytes` pads every picture, `signature_characters` is the length of a signature in base64.
    `calls_kept`: how many of the last calls can be looked at.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        key: str | None = None,
        models: Iterable[SimulatedModel] = MODELS,
        retired: Iterable[str] = RETIRED,
        picture_bytes: int = 0,
        signature_characters: int = 100_000,
        calls_kept: int = 1000,
    ) -> None:
        self._host = host
        self._port = port
        self._key = key
        self._models = by_name(models, retired)
        self._picture_bytes = picture_bytes
        self._signature_characters = signature_characters
        self._calls_kept = calls_kept
        self._count = 0
        self._calls: dict[int, Call] = {}
        self._coming: deque[tuple[Fault, ...]] = deque()
        self._always: tuple[Fault, ...] = ()
        self._changed = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        # Handlers are cancelled when their caller hangs up: that is how an abort is noticed.
        runner = web.AppRunner(
            self._application(), handler_cancellation=True, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS
        )
        await runner.setup()
        await web.TCPSite(runner, self._host, self._port).start()
        self._port = runner.addresses[0][1]
        self._runner = runner
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def base_url(self) -> str:
        """The address without a version, as `GOOGLE_GEMINI_BASE_URL` takes it."""
        return f"http://{self._host}:{self._port}"

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls of models so far, in the order in which they came; unfinished ones among them."""
        return tuple(self._calls.values())

    def next(self, *steps: Fault | Iterable[Fault] | None) -> None:
        """What goes wrong in the coming calls, one after the other: a fault, several at once, or nothing."""
        for step in steps:
            if step is None:
                self._coming.append(())
            elif isinstance(step, Fault):
                self._coming.append((step,))
            else:
                self._coming.append(tuple(step))

    def always(self, *faults: Fault) -> None:
        """What goes wrong in every call from now on; without arguments, nothing."""
        self._always = faults

    def reset(self) -> None:
        """Forgets calls and faults."""
        self._count = 0
        self._calls.clear()
        self._coming.clear()
        self._always = ()

    def answer_to(self, call: Call) -> Answer:
        """What `call` is answered, faults aside: the same words always make the same picture and cost the same."""
        order = self._order(call, msgspec.json.encode(call.body))
        return answer_to(replace(order, prompt=split_prompt(order.prompt)[0]))

    async def until(self, is_so: Callable[[Sequence[Call]], bool]) -> None:
        """Returns once `is_so` holds for the calls, e.g. when one has come in or was aborted."""
        while not is_so(self.calls):
            await self._changed.wait()

    # --- routes ---

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=MAX_REQUEST_BYTES + _ROOM_ABOVE_LIMIT)
        application.add_routes(
            [
                web.get("/v1beta/models", self._list_models),
                web.get("/v1beta/models/{model}", self._show_model),
                web.post("/v1beta/models/{model}:{method}", self._call),
                web.get("/simulator/calls", self._show_calls),
                web.post("/simulator/faults", self._take_faults),
                web.post("/simulator/reset", self._take_reset),
            ]
        )
        return application

    async def _list_models(self, request: web.Request) -> web.StreamResponse:
        return await self._told(request, {"models": [_described(*each) for each in self._models.items()]})

    async def _show_model(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["model"]
        model = self._models.get(name)
        return await self._told(request, _described(name, model) if model else unknown_model(name))

    async def _told(self, request: web.Request, value: dict[str, Any] | Rejected) -> web.StreamResponse:
        try:
            self._check_key(request)
        except Rejected as error:
            value = error
        return await deliver(request, rejection(value) if isinstance(value, Rejected) else whole_reply(value), ())

    async def _show_calls(self, _request: web.Request) -> web.Response:
        return web.json_response({"count": self._count, "calls": [_shortened(asdict(call)) for call in self.calls]})

    async def _take_faults(self, request: web.Request) -> web.Response:
        try:
            plan = parse_plan(await request.read())
        except UnknownFault as error:
            return web.json_response({"error": str(error), "kinds": list(KINDS)}, status=400)
        self.next(*plan.faults)
        if plan.always is not None:
            self.always(*plan.always)
        return web.json_response({"coming": len(self._coming), "always": len(self._always)})

    async def _take_reset(self, _request: web.Request) -> web.Response:
        self.reset()
        return web.json_response({})

    # --- a call ---

    async def _call(self, request: web.Request) -> web.StreamResponse:
        call = self._begun(request)
        faults = (*(self._coming.popleft() if self._coming else ()), *self._always)
        try:
            await disturb(request, faults, "arrival")
            body = await request.read()
            reply, faults = self._reply(request, call, body, faults)
            self._note(call, status=reply.status)
            return await deliver(request, reply, faults)
        except BrokenOff:
            return web.Response()
        except ConnectionError:
            self._note(call, aborted=True)
            return web.Response()
        except asyncio.CancelledError:
            self._note(call, aborted=True)
            raise
        finally:
            self._note(call, ended=True)

    def _begun(self, request: web.Request) -> Call:
        self._count += 1
        headers = {name.lower(): value for name, value in request.headers.items()}
        call = Call(self._count, request.match_info["model"], request.match_info["method"], {}, headers)
        self._calls[call.number] = call
        while len(self._calls) > self._calls_kept:
            del self._calls[min(self._calls)]
        self._tell()
        return call

    def _note(self, call: Call, **changes: Any) -> None:
        known = self._calls.get(call.number)
        # After a reset the number may be another call's.
        if known is not None and known.headers is call.headers:
            self._calls[call.number] = replace(known, **changes)
            self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _reply(
        self, request: web.Request, call: Call, body: bytes, faults: tuple[Fault, ...]
    ) -> tuple[Reply, tuple[Fault, ...]]:
        """The reply, and the faults that lie in wait for it: those that were queued and those of the prompt.

        A request that Google would not take is refused whatever was queued, so that no fault hides it.
        """
        is_stream = call.method == "streamGenerateContent"
        is_sse = request.query.get("alt") == "sse"
        try:
            self._check_key(request)
            order = self._order(call, body)
            prompt, magic = split_prompt(order.prompt)
        except Rejected as error:
            return altered(rejection(error, as_list=is_stream and not is_sse), faults), faults
        except UnknownFault as error:
            return rejection(Rejected(400, str(error))), faults
        faults = (*magic, *faults)
        reply = instead(faults, call.model)
        if reply is None:
            answer = spoiled(answer_to(replace(order, prompt=prompt), faults), faults)
            reply = stream_reply(answer, faults, sse=is_sse) if is_stream else whole_reply(answer)
        return altered(reply, faults), faults

    def _order(self, call: Call, body: bytes) -> Order:
        """The request, checked in Google's order: its JSON, its model, its content."""
        sent, parsed = read_request(body)
        self._note(call, body=sent)
        model = self._models.get(call.model)
        if model is None or call.method not in {"generateContent", "streamGenerateContent"}:
            raise unknown_model(call.model)
        check_request(model, parsed)
        return Order(
            name=call.model,
            model=model,
            request=parsed,
            prompt=prompt_of(parsed),
            picture_bytes=self._picture_bytes,
            signature_characters=self._signature_characters,
            number=call.number,
        )

    def _check_key(self, request: web.Request) -> None:
        """Only the header counts: a key in the query would end up in logs."""
        key = request.headers.get("x-goog-api-key", "")
        if not key:
            raise no_key()
        if key == _BAD_KEY or (self._key is not None and key != self._key):
            raise bad_key()


def _described(name: str, model: SimulatedModel) -> dict[str, Any]:
    return {
        "name": f"models/{name}",
        "displayName": name,
        "inputTokenLimit": 65536,
        "outputTokenLimit": model.max_output_tokens,
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent"],
    }


def _shortened(value: Any) -> Any:
    """The value with every long string replaced by its length."""
    if isinstance(value, dict):
        return {name: _shortened(each) for name, each in value.items() if name != "x-goog-api-key"}
    if isinstance(value, list | tuple):
        return [_shortened(each) for each in value]
    if isinstance(value, str) and len(value) > _LONGEST_SHOWN:
        return f"{value[:20]}… ({len(value)} characters)"
    return value


def run_simulator(host: str, port: int) -> None:
    """Serves until interrupted, and says on standard output how to use it. Port 0 is a free one."""
    try:
        asyncio.run(_serve(host, port))
    except KeyboardInterrupt:
        click.echo("Stopped.")


async def _serve(host: str, port: int) -> None:
    async with GeminiSimulator(host=host, port=port, calls_kept=100) as simulator:
        click.echo(f"A stand-in for Google's Gemini API listens on {simulator.base_url}; it makes pictures for free.\n")
        click.echo(f"export GOOGLE_GEMINI_BASE_URL={simulator.base_url}")
        click.echo("export GEMINI_API_KEY=simulated\n")
        click.echo(f"Faults in a prompt, like [[fault:refuse IMAGE_SAFETY]]: {', '.join(KINDS)}.")
        click.echo("Stop it with Ctrl-C.")
        await asyncio.Event().wait()
