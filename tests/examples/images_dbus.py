#!/usr/bin/python3
"""Lists the links to your images, with a token over D-Bus, with PyGObject (Debian: python3-gi)."""

import json
import sys
import urllib.error
import urllib.request

from gi.repository import Gio, GLib

API = sys.argv[1] if len(sys.argv) > 1 else "https://api.imgur.com/3"
KEEPER = "org.imgurd.Keeper1"
FIRST_WORDS = {"ConsentNeeded": "Sign in", "AccessDenied": "Not allowed", "TemporarilyUnavailable": "Try again later"}


def call(method, arguments):
    bus = Gio.bus_get_sync(Gio.BusType.SESSION)
    path = "/" + KEEPER.replace(".", "/")
    answer, descriptors = bus.call_with_unix_fd_list_sync(
        KEEPER, path, KEEPER, method, arguments, None, Gio.DBusCallFlags.NONE, -1, None, None
    )
    return answer.unpack()[0], descriptors


def get_token():
    """Gets the token in a file descriptor, so that no monitor of the bus sees it."""
    index, descriptors = call("GetTokenFd", GLib.Variant("(sii)", ("", -1, -1)))
    with open(descriptors.get(index)) as sealed:
        return sealed.read()


def reject_token(token):
    return call("RejectToken", GLib.Variant("(ssi)", ("", token, -1)))[0]


def images(token):
    request = urllib.request.Request(f"{API}/account/me/images", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


try:
    token = get_token()
    status, answer = images(token)
    # A token can become invalid early, and only the program that uses it notices. Imgur's 403 has many other causes.
    if status == 401 or (status == 403 and "access token" in answer):
        status, answer = images(reject_token(token))
except GLib.Error as error:
    name = Gio.DBusError.get_remote_error(error) or ""
    reason = error.message.removeprefix(f"GDBus.Error:{name}: ")
    sys.exit(f"{FIRST_WORDS.get(name.rpartition('.')[2], 'No token')}: {reason}")
if status != 200:
    sys.exit(f"Imgur answers {status}")
for image in json.loads(answer)["data"]:
    print(image["link"])
