#!/usr/bin/env python3
"""dataplane/client/PROTOCOL.md, read the way a member's developer reads it: its examples decode to what stands beside them, its tables and enumerations are
those of the schema, its links lead somewhere.

The page is parsed as text and compared with engine/wcx-1.0.xml through the tests' own decoder; nothing is shared with the generator of the page.
"""
import hashlib
import hmac
import re
import struct
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

from wcxlib import ROOT, SCHEMA, Tap, unmold  # noqa: E402

PAGE = ROOT / "dataplane" / "client" / "PROTOCOL.md"
XML = ET.parse(ROOT / "engine" / "wcx-1.0.xml").getroot()
TYPES = XML.find("types")
SETS = {node.get("name"): {int(choice.text): choice.get("name") for choice in node} for node in TYPES.findall("set")}
ENUMS = {node.get("name"): {int(value.text): value.get("name") for value in node} for node in TYPES.findall("enum")}
NULLS = {"int64": "-2^63", "uint64": "2^64-1", "uint32": "2^32-1"}


def sections(text, level):
    """{heading: text below it} of one level."""
    mark = "#" * level
    found = re.split(rf"^{mark} (.+)$", text, flags=re.M)[1:]
    return {title: re.split(rf"^#{{1,{level}}} ", body, flags=re.M)[0] for title, body in zip(found[::2], found[1::2])}


# --- examples ---------------------------------------------------------------------------------------

def dump_of(body):
    """(bytes, [(first offset, length, words)]) of a dump; its offsets must count its bytes."""
    data, pieces = b"", []
    for offset, hexes, words in re.findall(r"^    ([0-9a-f]{4})  ((?:[0-9a-f]{2} ?){1,16}) *(.*)$", body, re.M):
        row = bytes.fromhex(hexes)
        if int(offset, 16) != len(data):
            raise ValueError(f"offset {offset} stands before byte {len(data):#x}")
        if words:
            pieces.append([len(data), 0, words])
        pieces[-1][1] += len(row)
        data += row
    return data, pieces


def message_of(data):
    """(where the message begins, the message) of a datagram or a SoupBinTCP packet of the page."""
    if data[2:3] in b"US":
        size, = struct.unpack_from(">H", data)
        if size != len(data) - 2:
            raise ValueError(f"the packet says {size}, {len(data) - 2} bytes are there")
        return 3, data[3:]
    (block,) = unmold(data)[2]
    return 22, block


def words_of(owner, name, value):
    """How the page writes a value."""
    kind = next(f.get("type") for f in owner.findall("field") if f.get("name") == name)
    if kind in SETS:
        return " + ".join(choice for bit, choice in SETS[kind].items() if value >> bit & 1) or "none"
    if kind in ENUMS:
        return f"{next(number for number, text in ENUMS[kind].items() if text == value)} {value}"
    if kind.startswith("char"):
        return f'"{value.decode().strip()}"'
    if isinstance(value, bytes):
        return ""
    return "null" if value is None else str(value)


def check_example(tap, title, body):
    data, pieces = dump_of(body)
    start, message = message_of(data)
    name, values = SCHEMA.decode(message)
    owner = next(m for m in XML.iter() if m.get("name") == name and m.get("blockLength"))
    said = {words.split(" ")[0]: (at, size, words) for at, size, words in pieces}
    wrong = []
    for field, value in values.items():
        offset, _, size, _, _ = SCHEMA.by_name[name].fields[field]
        expected = (start + 8 + offset, size, f"{field} {words_of(owner, field, value)}".rstrip())
        if said.get(field) != expected:
            wrong.append((expected, said.get(field)))
    tap.ok(not wrong and len(message) == 8 + SCHEMA.by_name[name].block_length, f"{title}: {name} with {len(values)} fields decodes to the words beside it", wrong)
    return name, message


def check_signature(tap, title, body, message):
    secret = "demo-secret-1"
    tail = bytes.fromhex(re.search(r"`((?:[0-9a-f]{2} ){2}[0-9a-f]{2})`", body).group(1))
    signed = bytes(32) + message[40:]
    tap.ok(len(signed) == 112 and hmac.new(secret.encode(), signed + tail, hashlib.sha256).digest() == message[8:40], f"{title}: the signature is the one the rule gives")
    transport, port = struct.unpack("<BH", tail)
    tap.ok((transport, port) == ((2, 7002) if "UDP" in title else (1, 7001)), f"{title}: transport {transport}, port {port}")


def check_examples(tap, text):
    examples = {title: body for title, body in sections(text, 3).items() if title.startswith("Example")}
    messages = {}
    for title, body in examples.items():
        if "Login" in title:
            data, _ = dump_of(body)
            user, password, session, number = struct.unpack_from(">6s10s10s20s", data, 3)
            tap.ok(data[:3] == b"\0\x2fL" and len(data) == 49 and (user.strip(), session.strip(), int(number)) == (b"mm1", b"", 1) and password, f"{title}: a Login Request")
            continue
        name, messages[title] = check_example(tap, title, body)
        if name == "Establish":
            check_signature(tap, title, body, messages[title])
    orders = [message for title, message in messages.items() if "NewOrderSingle" in title]
    tap.ok(len(examples) >= 8 and len(orders) == 2 and orders[0] == orders[1], "the same order has the same bytes in MoldUDP64 and in SoupBinTCP")


# --- tables -----------------------------------------------------------------------------------------

def rows_of(body):
    """Rows of the first table, without its head."""
    lines = [line for line in re.split(r"\n\n", body[body.index("|"):])[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def type_words(kind):
    node = next((n for n in TYPES if n.get("name") == kind), None)
    if node.tag in ("enum", "set"):
        return f"{node.get('encodingType')} {node.tag}"
    length = int(node.get("length", 1))
    return node.get("primitiveType") + (f"[{length}]" if length > 1 else "")


def is_padding(name):
    return name.startswith("Pad") or name == "Reserved"


def expected_row(field):
    """Offset, field, tag, type and null of a field; padding is shown in bytes and without a tag."""
    name, kind = field.get("name"), field.get("type")
    words = type_words(kind)
    node = next(n for n in TYPES if n.get("name") == kind)
    null = NULLS[node.get("primitiveType")] if node.get("presence") == "optional" else ""
    if is_padding(name):
        words = f"uint8[{ {'u8': 1, 'u64': 8}.get(kind) or node.get('length')}]"
    return [field.get("offset"), name, "" if is_padding(name) else field.get("id"), words, null]


def meaning_fits(field, words):
    kind, text = field.get("type"), field.get("description")
    if kind in ENUMS:
        spelled = ", ".join(f"{number} {name}" for number, name in sorted(ENUMS[kind].items()))
        return words in (spelled, f"[{kind}](#{kind.lower()})")
    if kind in SETS:
        return words == f"[{kind}](#{kind.lower()})"
    return words == ("zero" if is_padding(field.get("name")) else text or "")


def check_tables(tap, text):
    below = sections(text, 4)
    messages = [m for m in XML.iter() if m.tag.endswith("message") and m.get("blockLength")]
    tap.ok([m.get("name") for m in messages] == list(below), f"all {len(messages)} messages of the schema, in its order", set(below) ^ {m.get("name") for m in messages})
    wrong, fields = [], 0
    for message in messages:
        body = below.get(message.get("name"), "")
        parts = [(message, body)]
        group = message.find("group")
        if f"Template {message.get('id')}, block of {message.get('blockLength')} bytes." not in body:
            wrong.append(message.get("name"))
        if group is not None:
            head = f"Then the group {group.get('name')}, entries of {group.get('blockLength')} bytes:"
            parts.append((group, body[body.index(head):] if head in body else "|"))
        for owner, part in parts:
            rows, wanted = rows_of(part), owner.findall("field")
            fields += len(wanted)
            wrong += [(message.get("name"), row) for row, field in zip(rows, wanted) if row[:5] != expected_row(field) or not meaning_fits(field, row[5])]
            wrong += [] if len(rows) == len(wanted) else [(message.get("name"), len(rows), len(wanted))]
    tap.ok(not wrong and fields > 400, f"{fields} rows: offset, name, tag, type, null and meaning of every field", wrong[:5])


def check_enums(tap, text):
    below = sections(sections(text, 2)["11. Enumerations"], 3)
    wrong = [name for name, values in ENUMS.items() if below.get(name, "").strip().split(": ", 1)[-1] != ", ".join(f"{n} {v}" for n, v in sorted(values.items())) + "."]
    wrong += [name for name, bits in SETS.items() if below.get(name, "").strip().split(": ", 1)[-1] != ", ".join(f"bit {b} {v}" for b, v in sorted(bits.items())) + "."]
    tap.ok(not wrong and set(below) == set(ENUMS) | set(SETS), f"{len(ENUMS)} enumerations and {len(SETS)} set with all their values", wrong)


def check_rejects(tap, text):
    rows = rows_of(sections(text, 2)["12. Why a request is refused"])
    reasons = (ROOT / "engine" / "reject.def").read_text().count("\nX(")
    bad = [row for row in rows if row[1] not in ENUMS["OrdRejReason"].values() or row[2] not in ENUMS["CxlRejReason"].values()]
    tap.ok(len(rows) == reasons > 30 and not bad, f"{len(rows)} reasons of the engine with their names on the wire", bad)


def check_links(tap, text):
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    slugs = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings]
    twice = {slug for slug in slugs if slugs.count(slug) > 1}
    lost = {link for link in re.findall(r"\]\(#([^)]+)\)", text) if link not in slugs}
    tap.ok(not twice and not lost, f"{len(slugs)} headings of their own, every link leads to one", (twice, lost))
    names = set(re.findall(r"`((?:engine|dataplane)/[\w./-]+)`", text))
    gone = {name for name in names if not (ROOT / name).exists()}
    tap.ok(names and not gone, f"{len(names)} files the page names exist", gone)


def check_names(tap, text):
    """Names in the rules, which are written by hand, are names of the schema."""
    rules = text[text.index("## 3."):text.index("## 9.")]
    known = {m.get("name") for m in XML.iter() if m.get("name")}
    camel = set(re.findall(r"\b(?:[A-Z][a-z]+){2,}(?:ID|Px|Qty)?\b|\b[A-Z][a-zA-Z]+(?:ID|Px|Qty)\b|\bExecutionReport_\w+", rules))
    strangers = {word for word in camel if word not in known and word not in ("SipHash", "MoldSession")}
    tap.ok(len(camel) > 60 and not strangers, f"{len(camel)} names in the rules are the schema's", sorted(strangers))


def check_defaults(tap, text):
    """What section 8 says of a development appliance is what its configuration says."""
    section = sections(text, 2)["8. Ports and defaults"]
    config = (ROOT / "configs" / "wcx.yaml").read_text()
    ports = re.findall(r"^\s*(?!listen)(?:\w+_(?:udp|tcp)_port|group_\w+): +(?:[\d.]+:)?(\d+)", config, re.M)
    groups = re.findall(r"^\s*group_\w+: +([\d.]+:\d+)", config, re.M)
    keys = re.findall(r"access_key_ids: \[(DEMO-MM-\d+)\]", config)
    missing = [port for port in ports if port not in section] + [group for group in groups if group not in section]
    tap.ok(len(ports) >= 4 and len(groups) >= 2 and not missing, f"{len(ports)} ports and {len(groups)} groups of the development configuration", missing)
    rates = set(re.findall(r"throttle_per_s: (\d+), throttle_burst: (\d+)", config))
    tap.ok(len(rates) == 1 and all(f"{int(number):,}" in section for number in next(iter(rates))), "the throttle is the one of every session", rates)
    kept = re.findall(r"^\s*(?:retain_session_msgs|retain_feed_msgs|rerequest_per_source_messages_per_s|output_log_mib): +(\d+)", config, re.M)
    told = [f"{int(number):,}" for number in kept]
    tap.ok(len(told) == 4 and all(number in section for number in told), "the window and the budget of re-requests", told)
    tap.ok(keys and f"`{keys[0]}` to `{keys[-1]}`" in section and f"sessions | 1 to {len(keys)}" in section, f"{len(keys)} access keys", keys)


def main():
    tap = Tap()
    text = PAGE.read_text()
    check_examples(tap, text)
    check_tables(tap, text)
    check_enums(tap, text)
    check_rejects(tap, text)
    check_links(tap, text)
    check_names(tap, text)
    check_defaults(tap, text)
    tap.done()


if __name__ == "__main__":
    main()
