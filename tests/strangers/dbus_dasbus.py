"""The D-Bus client dasbus, driven by a JSON object a line.

Takes {"call": METHOD, "arguments": […]}, {"properties": PATH}, {"objects": {}} and {"watch": PATH}, whose answers have
no end. Each answer is {"returned": …}, {"raised": NAME, "message": TEXT} or {"signal": MEMBER, "arguments": […]}.
"""

import json
import sys

from dasbus.connection import SessionMessageBus
from dasbus.error import DBusError, ErrorMapper, get_error_decorator
from dasbus.loop import EventLoop
from dasbus.typing import get_native

NAME = "org.imgurd.Keeper1"
PATH = "/org/imgurd/Keeper1"
PROPERTIES = "Name Username State Reason ExpiresAt NextRefreshAt AutoRefresh LoginPending Unsaved".split()

mapper = ErrorMapper()
dbus_error = get_error_decorator(mapper)


@dbus_error("org.imgurd.Keeper1.Error.ConsentNeeded")
class ConsentNeeded(DBusError):
    pass


@dbus_error("org.imgurd.Keeper1.Error.NoSuchAccount")
class NoSuchAccount(DBusError):
    pass


@dbus_error("org.imgurd.Keeper1.Error.InvalidArgument")
class InvalidArgument(DBusError):
    pass


def answer(bus, request):
    match request:
        case {"call": method, "arguments": arguments}:
            return getattr(bus.get_proxy(NAME, PATH), method)(*arguments)
        case {"properties": path}:
            account = bus.get_proxy(NAME, path)
            return {name: getattr(account, name) for name in PROPERTIES}
        case {"objects": _}:
            return get_native(bus.get_proxy(NAME, PATH).GetManagedObjects())


def watch(bus, path):
    account = bus.get_proxy(NAME, path)
    account.TokenChanged.connect(lambda: say({"signal": "TokenChanged", "arguments": []}))
    account.PropertiesChanged.connect(
        lambda *arguments: say({"signal": "PropertiesChanged", "arguments": [get_native(it) for it in arguments]})
    )
    # Answered after the bus has heard what this connection listens for.
    say({"returned": account.State})
    EventLoop().run()


def main():
    bus = SessionMessageBus(error_mapper=mapper)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "watch" in request:
                watch(bus, request["watch"])
            say({"returned": answer(bus, request)})
        except DBusError as error:
            say({"raised": type(error).__name__, "message": str(error)})


def say(message):
    print(json.dumps(message), flush=True)


main()
