"""The Python client of Varlink, driven by a JSON object a line.

    varlink_client.py SOCKET

takes {"info": {}}, {"members": INTERFACE}, {"call": METHOD, "arguments": {…}}, the same with {"as": TEXT} for a client
that knows another interface than the service's own, and {"watch": METHOD, "arguments": {…}}, whose answers have no end.
Each answer is {"returned": …} or {"raised": CLASS, "error": NAME, "parameters": …}.
"""

import json
import sys

import varlink

INTERFACE = "org.imgurd.Keeper1"


def answers(client, request):
    match request:
        case {"info": _}:
            client.get_interfaces()
            yield client.info
        case {"members": name}:
            yield sorted(client.get_interface(name).members)
        case {"call": method, "arguments": arguments, "as": text}:
            with client.handler(varlink.Interface(text), client.open_connection()) as keeper:
                yield getattr(keeper, method)(**arguments)
        case {"call": method, "arguments": arguments}:
            with client.open(INTERFACE) as keeper:
                yield getattr(keeper, method)(**arguments)
        case {"watch": method, "arguments": arguments}:
            with client.open(INTERFACE) as keeper:
                yield from getattr(keeper, method)(_more=True, **arguments)


def main():
    client = varlink.Client.new_with_address(f"unix:{sys.argv[1]}")
    for line in sys.stdin:
        try:
            for answer in answers(client, json.loads(line)):
                say({"returned": answer})
        except varlink.VarlinkError as error:
            say({"raised": type(error).__name__, "error": error.error(), "parameters": error.parameters()})


def say(answer):
    print(json.dumps(answer), flush=True)


main()
