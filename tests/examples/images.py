#!/usr/bin/env python3
"""Lists the links to your images, with only the package in proto/python."""

import json
import sys
import urllib.error
import urllib.request

import imgurd

API = sys.argv[1] if len(sys.argv) > 1 else "https://api.imgur.com/3"


def images(token):
    request = urllib.request.Request(f"{API}/account/me/images", headers={"Authorization": token.authorization})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def main():
    token = imgurd.get_token()
    status, answer = images(token)
    # A token can become invalid early, and only the program that uses it notices. Imgur's 403 has many other causes.
    if imgurd.rejects_token(status, answer):
        status, answer = images(imgurd.reject(token))
    if status != 200:
        sys.exit(f"Imgur answers {status}")
    for image in json.loads(answer)["data"]:
        print(image["link"])


# The messages for the user. A long-running program would wait: until watch() reports a sign-in, or until retry_at.
try:
    main()
except imgurd.ConsentNeeded as error:
    sys.exit(f"Sign in: {error.reason}")
except imgurd.AccessDenied as error:
    sys.exit(f"Not allowed: {error.reason}")
except imgurd.TemporarilyUnavailable as error:
    after = f" after {error.retry_at} (Unix time)" if error.retry_at else ""
    sys.exit(f"Try again{after}: {error.reason}")
except imgurd.Error as error:
    sys.exit(f"{type(error).__name__}: {error.reason}")
