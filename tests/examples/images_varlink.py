#!/usr/bin/env python3
"""Lists the links to a person's images: asks imgurd on its socket, with nothing but Python's standard library."""

import json
import os
import socket
import sys
import urllib.error
import urllib.request

API = sys.argv[1] if len(sys.argv) > 1 else "https://api.imgur.com/3"
RUNTIME = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
SOCKET = os.environ.get("IMGURD_SOCKET") or f"{RUNTIME}/imgurd/socket"


def call(method, **parameters):
    with socket.socket(socket.AF_UNIX) as keeper:
        keeper.connect(SOCKET)
        message = {"method": f"org.imgurd.Keeper1.{method}", "parameters": parameters}
        keeper.sendall(json.dumps(message).encode() + b"\0")
        said = b""
        while not said.endswith(b"\0"):
            part = keeper.recv(65536)
            if not part:
                sys.exit("imgurd hung up")
            said += part
    answer = json.loads(said[:-1])
    if "error" in answer:
        sys.exit(explain(answer["error"].rpartition(".")[2], answer["parameters"]))
    return answer["parameters"]["token"]["access_token"]


def explain(error, parameters):
    """What the person reads. A program that goes on would wait: for Watch to tell of a sign-in, or until retry_at."""
    reason = parameters.get("reason")
    match error:
        case "ConsentNeeded":
            return f"Sign in: {reason}"
        case "AccessDenied":
            return f"Not allowed: {reason}"
        case "TemporarilyUnavailable" if "retry_at" in parameters:
            return f"Try again after {parameters['retry_at']} (Unix time): {reason}"
    return f"{error}: {reason}"


def images(token):
    request = urllib.request.Request(f"{API}/account/me/images", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


token = call("GetToken")
status, answer = images(token)
# A token can die before its time, and only who uses it notices. Imgur's 403 has many other causes.
if status == 401 or (status == 403 and "access token" in answer):
    status, answer = images(call("RejectToken", access_token=token))
if status != 200:
    sys.exit(f"Imgur answers {status}")
for image in json.loads(answer)["data"]:
    print(image["link"])
