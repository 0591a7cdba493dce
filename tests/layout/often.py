#!/usr/bin/env python3
"""Writes daemon/often.ld anew: which functions of imgurd are executed in the daemon's everyday life.

  often.py record PROGRAM LIST [ARGUMENT...]   runs PROGRAM (not stripped), and writes to LIST what it executes
  often.py layout PROGRAM LIST...              prints the layout: a section for the functions of each LIST that are in
                                               none before it

A program to record is built with CARGO_PROFILE_RELEASE_STRIP=none. Use it in imgurd's place, refresh a token over TLS,
ask for it on both wires, and stop it: first with the file store, then with a desktop's keyring. Names are kept without
what changes with each compiler (the hash at their end), and shortened as far as that takes in little else.
"""

import bisect
import ctypes
import os
import re
import signal
import subprocess
import sys

# What one more line is worth, in bytes of functions that are not executed and lie among those that are.
LINE = 100
# No prefix is shorter, lest it take in what other crates and later versions have.
SHORTEST = 24

TRACEME, CONT, GETREGS, SETREGS, SETOPTIONS = 0, 7, 12, 13, 0x4200
TRACE_CLONE, EXIT_KILL = 0x8, 0x100000
TRAP = b"\xcc"
RIP = 16

libc = ctypes.CDLL(None, use_errno=True)


def functions(program):
    """Address, size and name of each function of a program; one may have several names."""
    for line in subprocess.check_output(["nm", "-S", program], text=True).splitlines():
        fields = line.split()
        if len(fields) == 4 and fields[2] in "tT":
            yield int(fields[0], 16), int(fields[1], 16), fields[3]


def ptrace(request, process, data):
    if libc.ptrace(request, process, None, data) == -1:
        raise OSError(ctypes.get_errno(), "ptrace")


def record(program, found, arguments):
    """Stops at the beginning of each function, once."""
    addresses = sorted({address for address, _, _ in functions(program)})
    child = os.fork()
    if child == 0:
        libc.ptrace(TRACEME, 0, None, None)
        os.execv(program, [program, *arguments])
    os.waitpid(child, 0)
    ptrace(SETOPTIONS, child, ctypes.c_void_p(TRACE_CLONE | EXIT_KILL))
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: os.kill(child, signal.SIGTERM))
    with open(f"/proc/{child}/maps") as maps:
        base = int(maps.read().split("-")[0], 16)
    memory = os.open(f"/proc/{child}/mem", os.O_RDWR)
    originals = {}
    for address in addresses:
        originals[address] = os.pread(memory, 1, base + address)
        os.pwrite(memory, TRAP, base + address)
    executed = set()
    ptrace(CONT, child, None)
    while child not in stop_once(base, memory, originals, executed):
        pass
    with open(found, "w") as file:
        file.writelines(f"{name}\n" for address, _, name in functions(program) if address in executed)


def stop_once(base, memory, originals, executed):
    """Handles what one thread was stopped for, and returns who has ended."""
    thread, status = os.waitpid(-1, 0x40000000)  # __WALL
    if os.WIFEXITED(status) or os.WIFSIGNALED(status):
        return {thread}
    stopped_by, deliver = os.WSTOPSIG(status), 0
    if stopped_by == signal.SIGTRAP and status >> 16 == 0:
        registers = (ctypes.c_ulong * 27)()
        ptrace(GETREGS, thread, ctypes.byref(registers))
        address = registers[RIP] - 1 - base
        if address in originals:
            executed.add(address)
            os.pwrite(memory, originals[address], base + address)
            registers[RIP] -= 1
            ptrace(SETREGS, thread, ctypes.byref(registers))
    elif stopped_by not in (signal.SIGTRAP, signal.SIGSTOP):
        deliver = stopped_by
    ptrace(CONT, thread, ctypes.c_void_p(deliver))
    return set()


def lasting(name):
    """A name without what another compiler, or another version of a crate, would have otherwise."""
    name = re.sub(r"17h[0-9a-f]{16}E(\.\w+)*$", "17h", name)
    name = re.sub(r"\.llvm\.\d+$", "", name)
    return re.sub(r"Cs[0-9A-Za-z]{6,13}_", "Cs*_", name) if name.startswith("_R") else name


def layout(program, lists):
    sizes = {}
    for _, size, name in functions(program):
        sizes[lasting(name)] = sizes.get(lasting(name), 0) + size
    print(HEAD)
    taken = set()
    for number, path in enumerate(lists):
        with open(path) as file:
            wanted = {lasting(line.strip()) for line in file} - taken
        print(f"  .text.often{number} : {{")
        for prefix in prefixes(sorted(sizes), sizes, wanted, taken):
            print(f"    *(.text*.{prefix}*)")
        if number == 0:
            print("    *libring-*:*(.text)")  # assembly has no sections of functions
        print("  }")
        taken |= wanted
    print("} INSERT BEFORE .text;")


def prefixes(names, sizes, wanted, taken):
    """The prefixes that stand for `wanted` at the least cost: lines, and what else they take in."""

    def choose(low, high, shared):
        """Of names[low:high], which alone begin with the same `shared` characters."""
        if not any(name in wanted for name in names[low:high]):
            return 0, []
        common = os.path.commonprefix([names[low], names[high - 1]])
        common = min(common, names[low][: max(shared, SHORTEST)], key=len)
        others = sum(sizes[name] for name in names[low:high] if name not in wanted | taken)
        whole = others + LINE if len(common) >= SHORTEST or high - low == 1 else sys.maxsize
        if others == 0 and whole < sys.maxsize or names[low] in wanted and high - low > 1 and names[low] == common:
            return whole, [common]
        cost, chosen, at = 0, [], low
        shared = len(os.path.commonprefix([names[low], names[high - 1]])) + 1
        while at < high:
            end = bisect.bisect_right(names, names[at][:shared] + "\x7f", at, high)
            part, lines = choose(at, end, shared) if (at, end) != (low, high) else (LINE, [names[at]])
            cost, chosen, at = cost + part, chosen + lines, end
        return (whole, [common]) if whole <= cost else (cost, chosen)

    return sorted(set(choose(0, len(names), 0)[1]))


HEAD = """\
/* Which functions of imgurd are executed in the daemon's everyday life, as far as the beginnings of their names tell:
   with the encrypted file, then besides with a desktop's keyring. Written by tests/layout/often.py. What is missing here
   or gone from the program does no harm. */
SECTIONS {"""

if __name__ == "__main__":
    match sys.argv[1:]:
        case ["record", program, found, *arguments]:
            record(program, found, arguments)
        case ["layout", program, *lists]:
            layout(program, lists)
        case _:
            sys.exit(__doc__)
