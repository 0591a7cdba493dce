"""The D-Bus client jeepney, which is all Python, driven by a JSON object a line as dbus_dasbus.py is."""

import json
import sys

from jeepney import DBusAddress, HeaderFields, MatchRule, MessageType, Properties, message_bus, new_method_call
from jeepney.io.blocking import Proxy, open_dbus_connection

NAME = "org.imgurd.Keeper1"
KEEPER = DBusAddress("/org/imgurd/Keeper1", bus_name=NAME, interface=NAME)
OBJECTS = KEEPER.with_interface("org.freedesktop.DBus.ObjectManager")
SIGNATURES = {"GetToken": "sii", "RejectToken": "ssi", "Refresh": "si"}


def account(path):
    return DBusAddress(path, bus_name=NAME, interface="org.imgurd.Keeper1.Account")


def call(bus, message):
    reply = bus.send_and_get_reply(message)
    if reply.header.message_type is MessageType.error:
        # As the class of an exception is named.
        name = reply.header.fields[HeaderFields.error_name].rpartition(".")[2]
        return {"raised": name, "message": reply.body[0]}
    return {"returned": native(reply.body if len(reply.body) > 1 else reply.body[0])}


def message(request):
    match request:
        case {"call": method, "arguments": arguments}:
            return new_method_call(KEEPER, method, SIGNATURES[method], tuple(arguments))
        case {"properties": path}:
            return Properties(account(path)).get_all()
        case {"objects": _}:
            return new_method_call(OBJECTS, "GetManagedObjects")


def watch(bus, path):
    rule = MatchRule(type="signal", sender=NAME, path=path)
    Proxy(message_bus, bus).AddMatch(rule)
    # What arrives has the unique name of its sender.
    with bus.filter(MatchRule(type="signal", path=path)) as signals:
        state = bus.send_and_get_reply(Properties(account(path)).get("State"))
        say({"returned": state.body[0][1]})
        while True:
            signal = bus.recv_until_filtered(signals)
            member = signal.header.fields[HeaderFields.member]
            say({"signal": member, "arguments": native(signal.body)})


def native(value):
    """What JSON can say: a variant is a signature and a value here."""
    match value:
        case dict():
            return {name: native(it[1] if isinstance(it, tuple) else it) for name, it in value.items()}
        case tuple() | list():
            return [native(it) for it in value]
        case _:
            return value


def main():
    with open_dbus_connection(bus="SESSION") as bus:
        for line in sys.stdin:
            request = json.loads(line)
            if "watch" in request:
                watch(bus, request["watch"])
            say(call(bus, message(request)))


def say(message):
    print(json.dumps(message), flush=True)


main()
