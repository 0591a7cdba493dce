"""The Python package of imgurd, driven by a JSON object a line.

{"get": {…}}, {"reject": TOKEN} and {"watch": ACCOUNT} call the functions of that name; with "asyncio": true, those of
imgurd.aio. {"crowd": N} gets N tokens at once. {"request": URL, "by": LIBRARY, …} makes a request with an authentication
class: by requests, httpx or httpx.AsyncClient. Each answer is what came back, or {"raised": CLASS, …}.
"""

import asyncio
import dataclasses
import io
import json
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
import requests

import imgurd
import imgurd.aio
from imgurd.auth import HttpxAuth, RequestsAuth


def answers(request):
    if request.get("asyncio"):
        yield from answers_of_asyncio(request)
    elif "get" in request:
        yield told(imgurd.get_token(**request["get"]))
    elif "reject" in request:
        yield told(imgurd.reject(request["reject"]))
    elif "watch" in request:
        yield from map(dataclasses.asdict, imgurd.watch(request["watch"]))
    elif "crowd" in request:
        with ThreadPoolExecutor(request["crowd"]) as threads:
            tokens = threads.map(lambda _: imgurd.get_token().access_token, range(request["crowd"]))
            yield sorted(set(tokens))
    else:
        yield ask(request["by"], request["request"], body(request.get("body")))


def answers_of_asyncio(request):
    if "get" in request:
        yield told(asyncio.run(imgurd.aio.get_token(**request["get"])))
    elif "reject" in request:
        yield told(asyncio.run(imgurd.aio.reject(request["reject"])))
    elif "crowd" in request:
        yield asyncio.run(crowd(request["crowd"]))
    else:
        asyncio.run(watch(request["watch"]))


async def crowd(count):
    tokens = await asyncio.gather(*(imgurd.aio.get_token() for _ in range(count)))
    return sorted({token.access_token for token in tokens})


async def watch(account):
    async for change in imgurd.aio.watch(account):
        say(dataclasses.asdict(change))


def ask(by, url, options):
    method = "POST" if options else "GET"
    if by == "requests":
        answer = requests.request(method, url, auth=RequestsAuth(), timeout=30, **options)
        return {"status": answer.status_code, "text": answer.text}
    # What requests calls data is content in httpx.
    options = {{"data": "content"}.get(name, name): value for name, value in options.items()}
    if by == "httpx":
        answer = httpx.request(method, url, auth=HttpxAuth(), follow_redirects=True, **options)
        return {"status": answer.status_code, "text": answer.text}
    return asyncio.run(ask_async(method, url, options))


async def ask_async(method, url, options):
    async with httpx.AsyncClient(auth=HttpxAuth(), follow_redirects=True) as client:
        if "content" in options and not isinstance(options["content"], bytes):
            options = {"content": parts_async()}
        answer = await client.request(method, url, **options)
        return {"status": answer.status_code, "text": answer.text}


def body(kind):
    match kind:
        case "form":
            return {"files": {"image": ("cat.png", io.BytesIO(b"a cat"), "image/png")}}
        case "text":
            return {"data": b"".join(parts())}
        case "stream":
            return {"data": parts()}
    return {}


def parts():
    yield b'name="image"; '
    yield b'filename="cat.png"'


async def parts_async():
    for part in parts():
        yield part


def told(token):
    return {**dataclasses.asdict(token), "authorization": token.authorization, "shown": f"{token!r} {token}"}


def say(answer):
    print(json.dumps(answer), flush=True)


for line in sys.stdin:
    try:
        for answer in answers(json.loads(line)):
            say(answer)
    except imgurd.Error as error:
        say({"raised": type(error).__name__, **vars(error), "text": str(error)})
