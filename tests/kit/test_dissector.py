#!/usr/bin/env python3
"""tshark with dataplane/dissector/wcx.lua shows every field of every message of the schema by its name, over MoldUDP64 and over SoupBinTCP.

Captures are written by hand; messages are made by the tests' own encoder, which shares no code with the generator of the dissector. WCX_SEED=n repeats
the random values of a run.
"""
import datetime
import itertools
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE.parent / "tools")]

from capture import Capture  # noqa: E402
from wcxlib import ROOT, SCHEMA, Tap, mold  # noqa: E402

SCRIPT = ROOT / "dataplane" / "dissector" / "wcx.lua"
CLIENT, SERVER = "10.77.0.1", "10.77.0.2"
UDP_PORTS, TCP_PORTS = (7002, 7003, 7101, 7102, 7103, 7104), (7001, 7004, 7005, 7006)
OWN_FRAMING = ()  # what the script alone does
TSHARKS_FRAMING = tuple(arg for port in UDP_PORTS for arg in ("-d", f"udp.port=={port},moldudp64")) + tuple(
    arg for port in TCP_PORTS for arg in ("-d", f"tcp.port=={port},soupbintcp")) + ("-d", "moldudp64.payload,wcx")
XML = ET.parse(ROOT / "engine" / "wcx-1.0.xml").getroot()
SETS = {node.get("name"): {choice.get("name"): int(choice.text) for choice in node} for node in XML.find("types").findall("set")}
TYPE_OF = {(owner.get("name"), field.get("name")): field.get("type") for owner in XML.iter() if owner.find("field") is not None for field in owner.findall("field")}
RANGES = {"B": (0, 255), "H": (0, 65535), "I": (0, (1 << 32) - 2), "Q": (0, (1 << 64) - 2), "b": (-128, 127), "q": (-(1 << 63) + 1, (1 << 63) - 1)}
BROKEN = "_ws.malformed || _ws.expert.severity >= 0x600000"  # warnings and errors


# --- messages and what must be shown of them --------------------------------------------------------

def is_shown(name):
    return not name.startswith("Pad") and name != "Reserved"


def some_values(owner, rng, turn):
    """Values of every field of a message or group: each enum value has its turn, each optional field is null in some turns."""
    values = {}
    for place, (name, (_, fmt, size, enum, null)) in enumerate(owner.fields.items()):
        if not is_shown(name):
            continue
        if TYPE_OF[owner.name, name].startswith("char"):
            values[name] = "".join(rng.choices("ABCXYZ059-_ ", k=rng.randrange(size))).strip().encode().ljust(size, b" ")
        elif fmt is None:
            values[name] = rng.randbytes(size)
        elif enum is not None:
            values[name] = list(enum)[turn % len(enum)]
        elif TYPE_OF[owner.name, name] in SETS:
            values[name] = rng.getrandbits(len(SETS[TYPE_OF[owner.name, name]]))
        elif null is not None and (turn + place) % 3 == 0:
            values[name] = None
        elif name == "Flags" and turn == 0:
            values[name] = RANGES[fmt][1]  # every bit, so that each is told
        else:
            values[name] = rng.choice((rng.randint(*RANGES[fmt]), *RANGES[fmt], 1))
    return values


def turns_of(message):
    owners = [message] + ([message.group] if message.group else [])
    return max([3] + [len(enum) for owner in owners for _, _, _, enum, _ in owner.fields.values() if enum])


def instant(nanos):
    at = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=nanos // 10**9)
    return f"{at:%Y-%m-%d %H:%M:%S}.{nanos % 10**9:09d} UTC"


def shown(owner, name, value):
    """The line that shows a field; without what the schema says of the bits of Flags."""
    kind, enum = TYPE_OF[owner.name, name], owner.fields[name][3]
    if value is None:
        return f"{name}: null"
    if kind.startswith("char"):
        return f"{name}: {value.decode().strip()}"
    if isinstance(value, bytes):
        return f"{name}: {value.hex()}"
    if enum:
        return f"{name}: {value} ({enum[value]})"
    if kind in SETS:
        names = [choice for choice, bit in SETS[kind].items() if value >> bit & 1]
        return f"{name}: 0x{value:04x} ({', '.join(names) or 'none'})"
    return f"{name}: {value}" + (f" ({instant(value)})" if kind.startswith("TsNanos") else "")


def lines_of(owner, values):
    return [shown(owner, name, values[name]) for name in owner.fields if is_shown(name)]


def tree_of(message, values):
    """Everything that must be shown of a message."""
    out = lines_of(message, values)
    if message.group:
        entries = values[message.group.name]
        out += [f"blockLength: {message.group.block_length}", f"numInGroup: {len(entries)}"]
        for entry in entries:
            out += lines_of(message.group, entry)
    return out


def every_message(rng):
    """(name, bytes, what is shown) of every message of the schema, in several turns."""
    for message in SCHEMA.by_name.values():
        for turn in range(turns_of(message)):
            values = some_values(message, rng, turn)
            if message.group:
                values[message.group.name] = [some_values(message.group, rng, turn * 7 + i) for i in range((0, 1, 3)[turn % 3])]
            yield message.name, SCHEMA.encode(message.name, **values), tree_of(message, values)


# --- what tshark shows ------------------------------------------------------------------------------

def tshark(path, *args):
    done = subprocess.run(["tshark", "-n", "-X", f"lua_script:{SCRIPT}", "-r", str(path), *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=300, check=False)
    said = done.stderr.decode(errors="replace")
    if done.returncode != 0 or "Lua" in said.replace("Running as", ""):
        raise RuntimeError(said)
    return done.stdout.decode(errors="replace")


def without_bits(line):
    return line.split(" (")[0] if line.startswith("Flags: ") else line


def fields_below(node, out):
    for child in node.findall("field"):
        name = child.get("name")
        if name in ("wcx.sequence", "") or child.get("showname") == "SBE header" or name.startswith("_ws.expert"):
            continue
        if name == "_ws.lua.text":
            fields_below(child, out)
        else:
            whole = child.get("value") if child.get("showname", "").startswith("HMACSignature") else None
            out.append(f"HMACSignature: {whole}" if whole else without_bits(child.get("showname")))
    return out


def messages_in(path, *args):
    """{frame: [(message, sequence or None, [line])]} as tshark shows them."""
    frames = {}
    for packet in ET.fromstring(tshark(path, "-T", "pdml", *args)).findall("packet"):
        number = int(packet.find(".//field[@name='frame.number']").get("show"))
        for node in packet.iter("field"):
            if node.get("name") == "wcx.message":
                sequence = node.find("field[@name='wcx.sequence']")
                frames.setdefault(number, []).append((node.get("show"), None if sequence is None else int(sequence.get("show")), fields_below(node, [])))
    return frames


def lines(path, query, *names, more=()):
    return tshark(path, *more, "-Y", query, "-T", "fields", *[arg for name in names for arg in ("-e", name)]).splitlines()


# --- captures ---------------------------------------------------------------------------------------

def soup(kind, payload=b""):
    return struct.pack(">Hc", 1 + len(payload), kind) + payload


def udp_capture(messages):
    """Datagrams of one to four messages. Returns (capture, {frame: [(message, sequence, lines)]})."""
    capture, expected, at, sequence = Capture(), {}, 0, 1
    while at < len(messages):
        part = messages[at:at + 1 + at % 4]
        template = SCHEMA.by_name[part[0][0]].template
        port = UDP_PORTS[2 + at % 4] if template >= 300 else UDP_PORTS[at % 2]
        session = b"M001261126" if template >= 300 else b"aZ09xY7bQ2"
        ends = ((SERVER, 7002, "239.77.0.1", port), (CLIENT, 40001, SERVER, port), (SERVER, port, CLIENT, 40001))
        frame = capture.udp(*ends[0 if template >= 300 else 1 + at % 2], mold(session, sequence, [data for _, data, _ in part]))
        expected[frame] = [(name, sequence + i, shown_lines) for i, (name, _, shown_lines) in enumerate(part)]
        at, sequence = at + len(part), sequence + len(part)
    return capture, expected


def tcp_capture(messages):
    """One connection a port: login, then segments of three packets, every second of them cut in the middle of its last packet."""
    capture, expected = Capture(), {}
    for which, port in enumerate(TCP_PORTS):
        stream = capture.tcp(CLIENT, 41000 + which, SERVER, port)
        stream.send(0, soup(b"L", b"mm1   secret    " + b" " * 10 + b"%20d" % 1))
        stream.send(1, soup(b"A", b"S000000001" + b"%20d" % 5) + soup(b"H"))
        stream.send(0, soup(b"R"))
        mine, sequence = messages[which::len(TCP_PORTS)], 5
        for at in range(0, len(mine), 3):
            part, end = mine[at:at + 3], at // 3 % 2  # client's U and server's S in turn
            numbers = [sequence + i if end else None for i in range(len(part))]
            sequence += len(part) * end
            packets = [soup(b"S" if end else b"U", data) for _, data, _ in part]
            data = b"".join(packets)
            cut = len(data) - len(packets[-1]) // 2 if at // 6 % 2 else len(data)
            whole = [(name, number, shown_lines) for number, (name, _, shown_lines) in zip(numbers, part)]
            frame = stream.send(end, data[:cut])
            if cut < len(data):
                expected[frame] = whole[:-1]
                expected[stream.send(end, data[cut:])] = whole[-1:]
                expected = {number: found for number, found in expected.items() if found}
            else:
                expected[frame] = whole
        stream.send(1, soup(b"Z"))
        stream.send(0, soup(b"O"))
        stream.close()
    return capture, expected


# --- the tests --------------------------------------------------------------------------------------

def compare(tap, text, got, want):
    wrong = [frame for frame in sorted(set(got) | set(want)) if got.get(frame) != want.get(frame)]
    pairs = [(have, need) for frame in wrong for have, need in itertools.zip_longest(got.get(frame, []), want.get(frame, [])) if have != need]
    tap.ok(want and not wrong, text, f"frames {wrong[:10]}\n" + "\n".join(f"shown    {have}\nexpected {need}" for have, need in pairs[:2]))


def check_every_message(tap, folder, rng):
    messages = list(every_message(rng))
    names = {name for name, _, _ in messages}
    fields = sum(len(shown_lines) for _, _, shown_lines in messages)
    tap.ok(names == set(SCHEMA.by_name) and len(names) >= 45, f"{len(messages)} messages of all {len(names)} kinds, {fields} fields")
    for transport, make in (("MoldUDP64", udp_capture), ("SoupBinTCP", tcp_capture)):
        capture, want = make(messages)
        path = folder / f"{transport}.pcap"
        capture.save(path)
        compare(tap, f"{transport}: every field of every message by its name", messages_in(path), want)
        bare = {frame: [(name, None, shown_lines) for name, _, shown_lines in found] for frame, found in want.items()}
        compare(tap, f"{transport} by tshark's own dissector: the same fields", messages_in(path, *TSHARKS_FRAMING), bare)
        for text, more in (("", OWN_FRAMING), (" by tshark's own dissector", TSHARKS_FRAMING)):
            bad = lines(path, BROKEN, "frame.number", "_ws.expert.message", more=more)
            tap.ok(not bad, f"{transport}{text}: no malformed packet, no expert warning", bad[:5])
        layer = "moldudp64" if transport == "MoldUDP64" else "soupbintcp"
        tap.ok(set(want) <= {int(n) for n in lines(path, layer, "frame.number", more=TSHARKS_FRAMING)}, f"{transport}: {layer} reads every frame that carries messages")


def check_names(tap, folder):
    """What a member types: filters by name, enum, choice and number."""
    path = folder / "MoldUDP64.pcap"
    for query in ("wcx.message == NewOrderSingle", 'wcx.side == "Buy"', "wcx.exec_inst.post_only == 1", "wcx.cl_ord_id >= 1", 'wcx.header.template_id == "AddOrder"', "wcx.sequence == 7"):
        tap.ok(lines(path, query, "frame.number"), f"display filter: {query}")
    text = tshark(path, "-O", "wcx_mold", "-V", "-Y", "wcx.message == Establish")
    tap.ok("take over a live session" in text, "bits of Flags are told in the schema's words")


def check_foreign(tap, folder):
    """What is not in the schema, or not as long as it says, is told and nothing else is hurt."""
    good = SCHEMA.encode("Trade", LastPx=5)
    quote = SCHEMA.encode("MassQuote", QuoteSets=[{}, {}])
    later = SCHEMA.encode("SessionStatusRequest", RequestID=9, block_length=12, version=1) + b"\x01\x02\x03\x04"
    cases = (
        ("unknown template", mold(b"S", 1, [SCHEMA.encode("Trade", template=777), good]), ["Unknown template 777", "Trade"], "Unknown template 777: not in schema 1"),
        ("unknown schema", mold(b"S", 1, [SCHEMA.encode("Trade", schema=9), good]), ["Unknown schema 9, template 308", "Trade"], "Unknown schema 9, template 308: not in schema 1"),
        ("a block of a later version", mold(b"S", 1, [later, good]), ["SessionStatusRequest", "Trade"], ""),
        ("a block shorter than the schema's", mold(b"S", 1, [SCHEMA.encode("Trade", block_length=8)[:16], good]), ["Trade", "Trade"], "a block of 8 bytes; Trade has 48"),
        ("a block longer than its message", mold(b"S", 1, [SCHEMA.encode("Trade", block_length=64)]), ["Trade"], "a block of 64 bytes is announced, 48 are there"),
        ("bytes behind a message", mold(b"S", 1, [good + b"xyz"]), ["Trade"], "3 bytes behind the message"),
        ("half a header", mold(b"S", 1, [good[:5], good]), ["no message", "Trade"], "5 bytes are shorter than an SBE header"),
        ("a group without its header", mold(b"S", 1, [quote[:34]]), ["MassQuote"], "the group QuoteSets has no header"),
        ("a group cut off", mold(b"S", 1, [quote[:-1]]), ["MassQuote"], "QuoteSets 2 of 2 (40 bytes) does not fit the message"),
        ("fewer blocks than announced", mold(b"S", 1, [good], count=3), ["Trade"], "3 blocks are announced, 1 are there"),
        ("bytes behind the last block", mold(b"S", 1, [good]) + b"12345", ["Trade"], "5 bytes behind the last block"),
        ("half a MoldUDP64 header", mold(b"S", 1)[:19], [], "19 bytes are shorter than a MoldUDP64 header"),
        ("a heartbeat", mold(b"S", 1), [], ""),
        ("a request", mold(b"S", 1, count=40), [], ""),
        ("the end of a session", mold(b"S", 1, count=0xFFFF), [], ""),
        ("a datagram tag", mold(b"S", 1, [good]) + bytes(range(8)), ["Trade"], ""),
        ("a heartbeat with a tag", mold(b"S", 1) + bytes(range(8)), [], ""),
    )
    capture = Capture()
    for _, payload, _, _ in cases:
        capture.udp(CLIENT, 40001, SERVER, 7002, payload)
    path = folder / "foreign.pcap"
    capture.save(path)
    got = messages_in(path)
    told = dict(line.split("\t", 1) for line in lines(path, BROKEN, "frame.number", "_ws.expert.message"))
    for frame, (text, _, names, complaint) in enumerate(cases, 1):
        have = [name for name, _, _ in got.get(frame, [])]
        said = told.get(str(frame), "")
        tap.ok(have == names and (complaint in said if complaint else not said), f"{text}: {complaint or 'no complaint'}", (have, said))
    tap.ok("Appended by a later version: 01020304" in tshark(path, "-V"), "what a later version appends is shown as bytes")
    tagged = lines(path, "wcx_mold.tag == 00:01:02:03:04:05:06:07", "frame.number")
    tap.ok(tagged == ["16", "17"], "datagram tags are shown", tagged)


def check_ports(tap, folder):
    capture = Capture()
    capture.udp(CLIENT, 40001, SERVER, 9002, mold(b"S", 1, [SCHEMA.encode("Trade", LastPx=5)]))
    stream = capture.tcp(CLIENT, 40001, SERVER, 9001)
    stream.send(0, soup(b"U", SCHEMA.encode("Trade", LastPx=5)))
    path = folder / "ports.pcap"
    capture.save(path)
    tap.ok(not messages_in(path), "other ports are left alone")
    got = messages_in(path, "-o", "wcx.udp_ports:9000-9002", "-o", "wcx.tcp_ports:9001")
    tap.ok([name for found in got.values() for name, _, _ in found] == ["Trade", "Trade"], "ports are preferences", got)


def check_noise(tap, folder, rng):
    """Random damage: every frame is still shown by something, and the script never fails."""
    messages = [data for _, data, _ in every_message(rng)]
    capture = Capture()
    stream = capture.tcp(CLIENT, 40001, SERVER, 7001)
    for turn in range(600):
        data = bytearray(mold(b"S", 1, rng.sample(messages, 3)) if turn % 2 else soup(b"S", rng.choice(messages)))
        for _ in range(rng.randrange(1, 5)):
            data[rng.randrange(2, len(data))] = rng.randrange(256)
        if turn % 2:
            capture.udp(CLIENT, 40001, SERVER, 7002, bytes(data[:rng.randrange(len(data)) + 1]))
        else:
            stream.send(turn // 2 % 2, bytes(data))
    path = folder / "noise.pcap"
    capture.save(path)
    text = tshark(path, "-V")
    tap.ok("Lua Error" not in text and text.count("Frame ") >= len(capture.frames), f"{len(capture.frames)} damaged frames, no error of the script")


def main():
    if shutil.which("tshark") is None:
        print("ok 1 - test_dissector # SKIP tshark is not installed: make deps\n1..1")
        return
    seed = int(os.environ.get("WCX_SEED", random.randrange(1 << 32)))
    rng = random.Random(seed)
    tap = Tap()
    tap.note(f"WCX_SEED={seed}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        check_every_message(tap, folder, rng)
        check_names(tap, folder)
        check_foreign(tap, folder)
        check_ports(tap, folder)
        check_noise(tap, folder, rng)
    tap.done()


if __name__ == "__main__":
    main()
