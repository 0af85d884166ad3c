#!/usr/bin/env python3
"""The first inputs of every fuzz target, one file each: `seeds.py DIR` writes DIR/<target>/<name>.

Each target has a function here that makes its inputs from the schema, and may have a text tests/fuzz/corpus/<target>.txt with inputs that a fuzzer found
worth keeping: a name and hexadecimal bytes a line (`run.py --keep` writes them; a finding's input is added by hand).
"""
import hashlib
import hmac
import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

from wcxlib import SCHEMA, mold  # noqa: E402

OWN, SPACES = b"Mold000001", b" " * 10  # of the first client in tests/unit/loop_fixture.c


def order(**values):
    fields = dict(ClOrdID=10, Price=99, OrderQty=5, SecurityID=1, Account=1, Side="Sell", OrdType="Limit", TimeInForce="GTC", SelfMatchPreventionInst="None")
    return SCHEMA.encode("NewOrderSingle", **dict(fields, **values))


def requests():
    """(name, message) of one sensible request of every kind a client may send."""
    yield "order", order()
    yield "market", order(OrdType="Market", TimeInForce="IOC", Price=None)
    yield "iceberg", order(OrderQty=50, DisplayQty=5, Price=120)
    yield "stop", order(OrdType="StopLimit", StopPx=90, Price=89)
    yield "gtd", order(TimeInForce="GTD", ExpireTime=1790000001000000000)
    yield "cancel", SCHEMA.encode("OrderCancelRequest", ClOrdID=10, OrigClOrdID=1, SecurityID=1)
    yield "replace", SCHEMA.encode("OrderCancelReplaceRequest", ClOrdID=10, OrigClOrdID=1, Price=98, OrderQty=4, SecurityID=1)
    yield "mass-cancel", SCHEMA.encode("OrderMassCancelRequest", ClOrdID=10, MassCancelRequestType="CancelAllOrders", LockTrading=1)
    yield "unlock", SCHEMA.encode("UnlockTradingRequest", ClOrdID=10)
    yield "quote", SCHEMA.encode("MassQuote", QuoteID=10, Account=1, MmpGroup=1, SelfMatchPreventionInst="None",
                                 QuoteSets=[dict(BidPx=90, OfferPx=110, BidSize=1, OfferSize=1, SecurityID=1, QuoteEntryID=n) for n in (1, 2)])
    yield "mmp-config", SCHEMA.encode("MmpConfigRequest", ClOrdID=10, MaxQty=1, WindowNanos=10**9, MmpGroup=1)
    yield "mmp-reset", SCHEMA.encode("MmpResetRequest", ClOrdID=10, MmpGroup=1)
    yield "status", SCHEMA.encode("SessionStatusRequest", RequestID=1)
    yield "terminate", SCHEMA.encode("Terminate", UUID=101, Code="Finished")


def establish(secret=b"", transport=2, port=7002, **values):
    fields = dict(AccessKeyID=b" " * 20, SessionID=3, UUID=200, RequestTimestamp=1790000000000000000, KeepAliveInterval=1000, HMACVersion=1)
    message = SCHEMA.encode("Establish", **dict(fields, **values))
    if secret:
        signature = hmac.new(secret, bytes(32) + message[40:] + struct.pack("<BH", transport, port), hashlib.sha256).digest()
        message = message[:8] + signature + message[40:]
    return message


def block(message):
    return struct.pack(">H", len(message)) + message


# --- one function a target ----------------------------------------------------------------------------

def net():
    udp = bytes.fromhex("02776378000102000a4d000108004500") + bytes(26)
    arp = bytes.fromhex("ffffffffffff02000a4d0001080600010800060400010200 0a4d00010a4d00010000000000000a4d0002")
    yield "mended", b"\x01" + udp + mold(OWN, 1, [order()])
    yield "mended-vlan", b"\x05" + udp[:12] + bytes.fromhex("81000064") + udp[12:] + b"payload"
    yield "mended-empty", b"\x01" + udp
    lengths = bytearray(udp)
    struct.pack_into(">H", lengths, 16, 28)
    struct.pack_into(">H", lengths, 38, 8)
    yield "own-lengths", b"\x09" + bytes(lengths)
    yield "own-lengths-padded", b"\x09" + bytes(lengths) + bytes(18)
    yield "own-lengths-follow", b"\x19" + bytes(lengths) + bytes(4)
    yield "raw", b"\x00" + udp + b"payload"
    yield "arp", b"\x00" + arp
    yield "arp-padded", b"\x00" + arp + bytes(18)
    yield "payload", b"\x02" + mold(OWN, 1, [order()])
    yield "payload-odd-vlan", b"\x06odd"


def mold_packets():
    yield "heartbeat", mold(OWN, 7)
    yield "request", mold(OWN, 7, count=5)
    yield "end", mold(OWN, 7, count=0xFFFF)
    yield "one", mold(OWN, 1, [order()])
    yield "three", mold(b"M001260921", 1, [SCHEMA.encode("AddOrder", OrderID=1, Price=5, DisplayQty=5, SecurityID=1, Side="Buy")] * 3)
    yield "empty-block", mold(OWN, 1, [b""])
    yield "tagged", mold(OWN, 1, [order()]) + bytes(8)
    yield "establish", mold(SPACES, 0, [establish()])


def sbe():
    for message in SCHEMA.by_name.values():
        group = {message.group.name: [{}, {}]} if message.group else {}
        data = SCHEMA.encode(message.name, **group)
        yield f"body-{message.name}", b"\0" + struct.pack("<H", message.template) + data[8:]
        yield f"message-{message.name}", b"\2" + data
    yield "body-unknown", b"\0" + struct.pack("<H", 999) + bytes(16)
    for name, line in (("order", '{"NewOrderSingle":{"ClOrdID":1,"Side":"Buy","Price":-5,"OrderQty":5,"ExecInst":["PostOnly",15],"TimeInForce":"GTD","ExpireTime":null}}'),
                       ("quote", '{"MassQuote":{"QuoteID":1,"QuoteSets":[{"BidPx":1,"OfferPx":null,"SecurityID":1},{"BidPx":2}]}}'),
                       ("record", '{"Seq":9,"Shard":1,"Epoch":1,"Stamp":5,"SessionID":6,"ClientSeq":3,"OrderCancelRequest":{"ClOrdID":2,"OrigClOrdID":1}}'),
                       ("establish", '{"Establish":{"HMACSignature":"' + "0f" * 32 + '","AccessKeyID":"A \\" \\u0041 \\\\","SessionID":1}}'),
                       ("book", '{"Book":{"SecurityID":1}}'), ("balances", '{"Balances":{"Account":1}}'), ("snapshot", '{"Snapshot":{}}'),
                       ("asset", '{"AssetDefinition":{"Asset":"USDT","Exponent":-8}}')):
        yield f"text-{name}", b"\1" + line.encode()


def establish_slots():
    body = establish(SessionID=1)[8:]
    for choice, name in ((0, "unsigned"), (3, "signed"), (7, "signed-second-key"), (11, "signed-other-session"), (15, "signed-nobody"), (19, "signed-bent"), (2, "signed-unknown-key")):
        yield name, bytes([choice, 2]) + struct.pack("<H", 7002) + body
    yield "signed-session-2", bytes([11, 1]) + struct.pack("<H", 7001) + establish(SessionID=2)[8:]
    yield "signed-version-2", bytes([3, 2]) + struct.pack("<H", 7002) + establish(SessionID=1, HMACVersion=2)[8:]


def operation(kind, data):
    return bytes([kind, len(data)]) + data


def loop():
    frame, stranger, own, blocks, ask_own, ask_stranger, sign_on, time = range(8)
    for name, message in requests():
        yield f"blocks-{name}", operation(blocks, b"\0" + block(message))
    yield "blocks-two", operation(blocks, b"\0" + block(SCHEMA.encode("UnlockTradingRequest", ClOrdID=10)) * 4)
    yield "blocks-gap", operation(blocks, b"\x05" + block(order())) + operation(blocks, b"\xfb" + block(order(ClOrdID=11)))
    yield "blocks-bad", operation(blocks, b"\0" + block(order(template=999)) + block(order(schema=2))) + operation(blocks, b"\0" + block(order(block_length=79)) + block(order(Side=9)))
    yield "blocks-short", operation(blocks, b"\0" + block(SCHEMA.encode("OrderCancelRequest", ClOrdID=10, OrigClOrdID=1, SecurityID=1, block_length=24)[:32])) + operation(blocks, b"\0" + block(order(block_length=96, version=1) + bytes(16)))
    yield "blocks-trade", operation(blocks, b"\0" + block(order(Side="Buy", Price=101))) + operation(blocks, b"\0" + block(order(ClOrdID=11, Side="Buy", Price=103, OrderQty=50)))
    yield "own-order", operation(own, mold(OWN, 4, [order()]))
    yield "own-heartbeat", operation(own, mold(OWN, 4)) + operation(own, mold(OWN, 9)) + operation(own, mold(OWN, 1 << 40))
    yield "own-half", operation(own, mold(OWN, 4, [order()])[:60]) + operation(own, mold(OWN, 4, [order()]) + b"x")
    yield "stranger-order", operation(stranger, mold(OWN, 4, [order()])) + operation(stranger, mold(b"Mold000009", 4, [order()]))
    yield "stranger-establish", operation(stranger, mold(SPACES, 0, [establish()])) + operation(stranger, mold(SPACES, 0, [establish()]))
    yield "stranger-no-establish", operation(stranger, mold(SPACES, 0, [SCHEMA.encode("Establish", template=2, SessionID=3, UUID=200)]))
    yield "ask", operation(ask_own, mold(OWN, 1, count=3)) + operation(ask_stranger, mold(OWN, 1, count=3)) + operation(ask_own, mold(OWN, 90, count=3))
    yield "ask-feed", operation(ask_stranger, mold(b"M001260921", 1, count=9)) + operation(ask_stranger, mold(b"M001260921", 1 << 60, count=9)) + operation(ask_own, b"short")
    for choice in range(16):
        yield f"sign-on-{choice}", operation(sign_on, bytes([choice])) + operation(sign_on, bytes([choice])) + operation(blocks, b"\0" + block(order()))
    yield "sign-on-refused", operation(sign_on, b"\x02\xbb") + operation(sign_on, b"\x02" + bytes(64) + b"\xff" * 8) + operation(sign_on, b"\x02" + bytes(88) + b"\xff\xff")
    yield "silence", operation(time, struct.pack("<H", 3999)) * 2 + operation(blocks, b"\0" + block(order()))
    yield "frame", operation(frame, bytes.fromhex("02776378000102000a4d000108004500") + bytes(40))


def soup_packet(kind, payload=b""):
    return struct.pack(">Hc", 1 + len(payload), kind) + payload


def soup_login(user=b"mm1", number=1, session=b""):
    return soup_packet(b"L", user.ljust(6) + b"any".ljust(10) + session.ljust(10) + b"%20d" % number)


def soup():
    yield "login", b"\0" + soup_login()
    yield "login-parts", b"\7" + soup_login(b"mm12", 18446744073709551599, b"S000000001")
    yield "login-number", b"\1" + soup_login().replace(b"1", b"x")
    yield "session", b"\x10" + soup_login() + soup_packet(b"U", establish()) + soup_packet(b"R") + soup_packet(b"U", order()) + soup_packet(b"O")
    yield "half", b"\0" + soup_packet(b"U", order())[:40]
    yield "empty", b"\0" + b"\0\0" + soup_packet(b"R")
    yield "long", b"\0" + struct.pack(">Hc", 1535, b"U") + bytes(1534)
    yield "numbers", b"\0" + struct.pack("<IQ", 4294967295, 18446744073709551615) + bytes(8)


def link():
    send, login, sign_on, request, packet, time, cut, beat = range(0, 32, 4)
    ready = operation(login, b"\0\1") + operation(sign_on, b"\0")
    yield "order-entry", ready + b"".join(operation(request, b"\0" + order(ClOrdID=n)[8:]) for n in (1, 2))
    for name, message in requests():
        yield f"request-{name}", ready + operation(packet, message)
    for port in (1, 2, 3):
        yield f"port-{port}", operation(login + port, b"\0\1") + operation(sign_on + port, b"\0") + operation(packet + port, order()) + operation(
            packet + port, SCHEMA.encode("OrderMassCancelRequest", ClOrdID=10, MassCancelRequestType="CancelForSession")) + operation(time + port, b"\xe8\x03")
    yield "all-ports", b"".join(operation(login + p, b"\0\1") + operation(sign_on + p, b"\0") for p in range(4)) + operation(packet, order(Price=50)) + operation(beat, b"")
    yield "again", ready + operation(cut, b"\1") + operation(time, b"\x10\0") + ready
    yield "finish", ready + operation(cut, b"\0") + operation(packet, order())
    yield "order-first", operation(login, b"\0\1") + operation(packet, order())
    yield "establish-first", operation(sign_on, b"\0") + operation(login, b"\0\1")
    yield "login-twice", operation(login, b"\0\1") + operation(login, b"\0\1")
    yield "refused", operation(login, b"\0\1") + operation(sign_on, b"\0\xbb")
    yield "other-session", operation(login, b"\0\1") + operation(sign_on, b"\1")
    yield "raw", operation(send, soup_login()[:20]) + operation(send, soup_login()[20:]) + operation(send, soup_packet(b"U", establish(SessionID=1))) + operation(send, b"\0\0")
    yield "silence", operation(login, b"\0\1") + operation(time, b"\xa0\x0f") * 2
    yield "silence-later", ready + operation(time, b"\xa0\x0f") * 2 + operation(packet, order())


def tcp():
    syn, ack, psh_ack, fin_ack, rst = 2, 16, 24, 17, 4

    def segment(flags, seq=0, acked=0, quarter=0, client=0, options=b"", kind=0):
        return operation(kind, struct.pack("<BBhhHBB", client, flags, seq, acked, 0xFFFF, quarter, len(options) // 4) + options)

    mss = bytes.fromhex("020405b4")
    hello = segment(syn, options=mss) + segment(ack)
    yield "handshake", hello
    yield "data", hello + segment(psh_ack, quarter=20) + segment(psh_ack, quarter=3) + operation(3, b"\0\5") + segment(ack)
    yield "holes", hello + segment(psh_ack, seq=80, quarter=20) + segment(psh_ack, seq=-160, quarter=20) + segment(psh_ack, seq=-100, quarter=10)
    yield "again", hello + segment(psh_ack, quarter=20) * 2 + segment(psh_ack, seq=-80, quarter=20) + segment(psh_ack, seq=-40, quarter=20)
    yield "wrong", hello + segment(psh_ack, quarter=20, kind=1) + segment(syn, client=1, kind=1)
    yield "finish", hello + segment(fin_ack) + operation(2, b"\4") + segment(ack)
    yield "reset", hello + segment(rst) + hello + segment(rst, seq=9)
    yield "end", hello + operation(3, b"\0\xff") + operation(4, b"\0") + segment(ack) + segment(fin_ack)
    yield "end-at-once", hello + operation(3, b"\0\x20") + operation(4, b"\x80") + segment(ack)
    yield "retransmit", hello + operation(3, b"\0\x40") + operation(2, b"\x3f") + segment(ack) + operation(2, b"\x3f")
    yield "four", b"".join(segment(syn, client=n * 5) + segment(ack, client=n * 5) for n in range(4)) + operation(3, b"\3\4")
    yield "options", segment(syn, options=bytes.fromhex("020405b4 0103030a 0402 080a0000000100000000 0101")) + segment(ack)
    yield "options-bad", segment(syn, options=bytes.fromhex("02ff05b4")) + segment(syn, client=1, options=bytes.fromhex("00000000 03000000"))
    yield "no-window", hello[:-2] + b"\0\0" + operation(3, b"\0\x40") + operation(2, b"\x20")


TARGETS = {"net": net, "mold": mold_packets, "sbe": sbe, "establish": establish_slots, "loop": loop, "soup": soup, "link": link, "tcp": tcp}


def inputs(target):
    """(name, bytes) of every input of a target."""
    yield from TARGETS[target]()
    kept = HERE / "corpus" / f"{target}.txt"
    if kept.exists():
        for line in kept.read_text().splitlines():
            if line and not line.startswith("#"):
                name, data = line.split()
                yield f"kept-{name}", bytes.fromhex(data)


def main():
    there = {path.stem.removeprefix("test_") for path in HERE.glob("test_*.c")}
    if there != set(TARGETS):
        sys.exit(f"tests/fuzz: {', '.join(sorted(there ^ set(TARGETS)))}: a target is a file test_<name>.c and a function in seeds.py")
    for target in TARGETS:
        folder = Path(sys.argv[1]) / target
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        for name, data in inputs(target):
            (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
