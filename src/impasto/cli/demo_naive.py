"""A gateway as they are often written, for the demo to compare with: it passes every request on.

Rule: it does nothing wrong that is not common. Whoever asks again pays again.
"""

import sys
from typing import Any

from aiohttp import ClientSession, web

Json = dict[str, Any]


def main(port: int, provider_url: str) -> None:
    """Serve on `port` of loopback until killed."""

    async def chat(request: web.Request) -> web.Response:
        asked = await request.json()
        address = f"{provider_url}/v1beta/models/{asked['model'].rpartition('/')[2]}:generateContent"
        async with (
            ClientSession() as session,
            session.post(address, json=_gemini(asked), headers={"x-goog-api-key": "anything"}) as response,
        ):
            return web.json_response(_completion(asked, await response.json()), status=response.status)

    app = web.Application()
    app.router.add_post("/v3/chat/completions", chat)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


def _gemini(asked: Json) -> Json:
    contents = [{"role": "user", "parts": [{"text": message["content"]}]} for message in asked["messages"]]
    return {"contents": contents, "generationConfig": {"responseModalities": ["IMAGE"]}}


def _completion(asked: Json, answer: Json) -> Json:
    picture = answer["candidates"][0]["content"]["parts"][0]["inlineData"]
    message = {"role": "assistant", "content": f"data:{picture['mimeType']};base64,{picture['data']}"}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return {"id": "naive", "object": "chat.completion", "created": 0, "model": asked["model"], "choices": choices}


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
