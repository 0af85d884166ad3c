"""An independent client of the appliance and a private instance of it, for end-to-end tests. Standard library only.

Nothing here uses the C code: messages are read from engine/wcx-1.0.xml, signatures made with hmac, books built with dicts.

  Schema     encode and decode messages by name
  Session    sign on over UDP, send, receive, ask again
  Feed       the multicast feed, lines A and B, in order
  Books      books from feed messages
  Witness    remembers what each number of each stream carried; two contents are a conflict
  Appliance  starts and stops a private instance (own namespaces, run directory and ports)
  Tap        test points
"""
import atexit
import ctypes
import hashlib
import hmac
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.request
import xml.etree.ElementTree as ET
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SERVER = "10.77.0.2"
ORDER_PORT, REREQUEST_PORT = 7002, 7003
GROUPS = (("239.77.0.1", 7101), ("239.77.0.2", 7102))
NO_SESSION = b" " * 10


# --- schema ---------------------------------------------------------------------------------------

class Message:
    def __init__(self, name, template, block_length):
        self.name, self.template, self.block_length = name, template, block_length
        self.fields = {}  # name -> (offset, struct format or None, size, enum or None, null or None)
        self.group = None  # the repeating group behind the block, itself a Message (without a template)

    def pack(self, values):
        """The block of these values; what is not given is null, or zero where there is no null."""
        block = bytearray(self.block_length)
        for field, (offset, fmt, size, enum, null) in self.fields.items():
            value = values.pop(field, None)
            if value is None:
                value = null
            if value is None:
                continue
            if fmt is None:
                block[offset:offset + size] = bytes(value).ljust(size, b"\0")[:size]
            else:
                struct.pack_into("<" + fmt, block, offset, enum[value] if isinstance(value, str) else value)
        if values:
            raise KeyError(f"{self.name} has no {list(values)}")
        return bytes(block)

    def unpack(self, data, at, block_length):
        out = {}
        for field, (offset, fmt, size, enum, null) in self.fields.items():
            if field.startswith("Pad") or field == "Reserved" or offset + size > block_length:
                continue
            if fmt is None:
                out[field] = bytes(data[at + offset:at + offset + size])
                continue
            value = struct.unpack_from("<" + fmt, data, at + offset)[0]
            if null is not None and value == null:
                value = None
            elif enum is not None:
                value = next((name for name, number in enum.items() if number == value), value)
            out[field] = value
        return out


class Schema:
    PRIMITIVE = {"uint8": "B", "uint16": "H", "uint32": "I", "uint64": "Q", "int8": "b", "int64": "q"}

    def __init__(self, path=ROOT / "engine" / "wcx-1.0.xml"):
        root = ET.parse(path).getroot()
        types = {}
        for node in root.find("types"):
            name = node.get("name")
            if node.tag == "type":
                length, primitive = int(node.get("length", 1)), node.get("primitiveType")
                if length > 1:
                    types[name] = (None, length, None, None)
                else:
                    fmt = self.PRIMITIVE[primitive]
                    null = None
                    if node.get("presence") == "optional":
                        null = -(1 << 63) if fmt == "q" else (1 << 8 * struct.calcsize(fmt)) - 1
                    types[name] = (fmt, struct.calcsize(fmt), None, null)
            elif node.tag == "enum":
                fmt = self.PRIMITIVE[node.get("encodingType")]
                types[name] = (fmt, struct.calcsize(fmt), {v.get("name"): int(v.text) for v in node}, None)
            elif node.tag == "set":
                fmt = self.PRIMITIVE[node.get("encodingType")]
                types[name] = (fmt, struct.calcsize(fmt), None, None)
        for bits, fmt in (("u8", "B"), ("u16", "H"), ("u32", "I"), ("u64", "Q"), ("i8", "b")):
            types.setdefault(bits, (fmt, struct.calcsize(fmt), None, None))
        self.by_name, self.by_template = {}, {}
        for node in root.findall("{http://fixprotocol.io/2016/sbe}message"):
            message = Message(node.get("name"), int(node.get("id")), int(node.get("blockLength")))
            self._fields(message, node, types)
            for inner in node.findall("group"):
                message.group = Message(inner.get("name"), None, int(inner.get("blockLength")))
                self._fields(message.group, inner, types)
            self.by_name[message.name] = self.by_template[message.template] = message

    @staticmethod
    def _fields(message, node, types):
        for field in node.findall("field"):
            fmt, size, enum, null = types[field.get("type")]
            message.fields[field.get("name")] = (int(field.get("offset")), fmt, size, enum, null)

    def encode(self, name, template=None, block_length=None, schema=1, version=0, **values):
        """A group is given by its name as a list of dicts."""
        message = self.by_name[name]
        entries = values.pop(message.group.name, []) if message.group else []
        header = struct.pack("<HHHH", message.block_length if block_length is None else block_length, message.template if template is None else template, schema, version)
        out = header + message.pack(values)
        if message.group:
            out += struct.pack("<HH", message.group.block_length, len(entries)) + b"".join(message.group.pack(dict(entry)) for entry in entries)
        return out

    def decode(self, data):
        """(name, {field: value}); enums by name where the value has one, a group as a list of dicts."""
        block_length, template, _, _ = struct.unpack_from("<HHHH", data)
        message = self.by_template[template]
        out = message.unpack(data, 8, block_length)
        if message.group:
            entry_length, count = struct.unpack_from("<HH", data, 8 + block_length)
            out[message.group.name] = [message.group.unpack(data, 12 + block_length + i * entry_length, entry_length) for i in range(count)]
        return message.name, out


SCHEMA = Schema()


# --- MoldUDP64 ------------------------------------------------------------------------------------

def mold(session, sequence, blocks=(), count=None):
    body = b"".join(struct.pack(">H", len(block)) + block for block in blocks)
    return struct.pack(">10sQH", session, sequence, len(blocks) if count is None else count) + body


def unmold(datagram):
    session, sequence, count = struct.unpack_from(">10sQH", datagram)
    blocks, at = [], 20
    if count == 0xFFFF:
        count = 0
    for _ in range(count):
        size = struct.unpack_from(">H", datagram, at)[0]
        block = datagram[at + 2:at + 2 + size]
        if len(block) != size or size < 8:
            raise ValueError("a block reaches beyond its datagram")
        blocks.append(block)
        at += 2 + size
    if at != len(datagram):
        raise ValueError("bytes are left over behind the last block")
    return session, sequence, blocks


class Witness:
    """What each number of each stream carried, over restarts of everything."""

    def __init__(self):
        self.seen, self.conflicts = {}, []

    def saw(self, stream, number, data):
        digest = hashlib.blake2b(data, digest_size=8).digest()
        if self.seen.setdefault((stream, number), digest) != digest:
            self.conflicts.append((stream, number))


# --- order entry ----------------------------------------------------------------------------------

class Session:
    """One session over UDP. Receives only inside pump()."""

    def __init__(self, app, session_id, witness=None):
        self.id, self.witness = session_id, witness
        self.key, self.secret = f"DEMO-MM-{session_id}", f"demo-secret-{session_id}"
        with app.clients():
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            self.sock.bind(("10.77.0.1", 0))
        self.mold_session, self.next_client, self.next_server = None, 1, None
        self.end = 0              # server numbers below it exist
        self.store = {}           # number -> bytes, waiting for its turn
        self.messages = []        # (number, name, fields) in order
        self.unsequenced = []     # (name, fields)
        self.uuid = 0
        self.cl_ord_id = 0
        self.last_rx = 0.0
        self.asked = 0.0
        self.establish_bytes = None

    def close(self):
        self.sock.close()

    def establish_message(self, secret=None, transport=2, port=ORDER_PORT, **values):
        fields = dict(AccessKeyID=self.key.encode().ljust(20), SessionID=self.id, UUID=max(time.time_ns(), self.uuid + 1), RequestTimestamp=time.time_ns(),
                      NextServerSeqNo=0, NextClientSeqNo=0, KeepAliveInterval=1000, CODTimeoutWindow=0, Flags=0, HMACVersion=1, SchemaVersion=0)
        fields.update(values)
        message = SCHEMA.encode("Establish", **fields)
        if "HMACSignature" not in values:
            block = bytes(32) + message[8 + 32:]
            signature = hmac.new((secret or self.secret).encode(), block + struct.pack("<BH", transport, port), hashlib.sha256).digest()
            message = message[:8] + signature + message[8 + 32:]
        self.uuid = fields["UUID"]
        return message

    def establish(self, timeout=5.0, message=None, repeat=0.2, **values):
        """Sign on; returns (name, fields) of the answer, or None."""
        message = message or self.establish_message(**values)
        self.establish_bytes = message
        uuid = struct.unpack_from("<Q", message, 8 + 56)[0]
        deadline, again = time.monotonic() + timeout, 0.0
        start = len(self.unsequenced)
        while time.monotonic() < deadline:
            if time.monotonic() >= again:
                self.sock.sendto(mold(NO_SESSION, 0, [message]), (SERVER, ORDER_PORT))
                again = time.monotonic() + repeat if repeat else deadline
            self.pump(0.02)
            for name, fields in self.unsequenced[start:]:
                if name in ("EstablishAck", "EstablishReject") and fields["UUID"] == uuid:
                    return name, fields
        return None

    def send(self, *messages, session=None, sequence=None):
        datagram = mold(session or self.mold_session, self.next_client if sequence is None else sequence, messages)
        self.sock.sendto(datagram, (SERVER, ORDER_PORT))
        if sequence is None:
            self.next_client += len(messages)
        return datagram

    def raw(self, datagram, port=ORDER_PORT):
        self.sock.sendto(datagram, (SERVER, port))

    def heartbeat(self):
        if self.mold_session:
            self.sock.sendto(mold(self.mold_session, self.next_client), (SERVER, ORDER_PORT))

    def next_id(self):
        self.cl_ord_id += 1
        return self.cl_ord_id

    def order(self, side, price, qty, security=1, tif="GTC", **values):
        fields = dict(ClOrdID=self.next_id(), Price=price, OrderQty=qty, SecurityID=security, Account=self.id, Side=side, OrdType="Limit", TimeInForce=tif,
                      SelfMatchPreventionInst="None", ExecInst=0, MmpGroup=0, SelfMatchPreventionID=0)
        fields.update(values)
        self.send(SCHEMA.encode("NewOrderSingle", **fields))
        return fields["ClOrdID"]

    def cancel(self, orig, security=1):
        cl_ord_id = self.next_id()
        self.send(SCHEMA.encode("OrderCancelRequest", ClOrdID=cl_ord_id, OrigClOrdID=orig, SecurityID=security))
        return cl_ord_id

    def replace(self, orig, price, qty, security=1):
        cl_ord_id = self.next_id()
        self.send(SCHEMA.encode("OrderCancelReplaceRequest", ClOrdID=cl_ord_id, OrigClOrdID=orig, Price=price, OrderQty=qty, SecurityID=security))
        return cl_ord_id

    def terminate(self, timeout=2.0):
        if not self.mold_session:
            return
        self.send(SCHEMA.encode("Terminate", UUID=self.uuid, Code="Finished"))
        self.wait(lambda: any(name == "Terminate" for _, name, _ in self.messages[-5:]), timeout)
        self.mold_session = None

    def pump(self, timeout):
        """Receive for up to `timeout` seconds; returns at the first quiet moment after something came."""
        self.sock.settimeout(max(timeout, 0.0001))
        got = False
        while True:
            try:
                datagram, sender = self.sock.recvfrom(2048)
            except (socket.timeout, BlockingIOError):
                break
            got = True
            self.sock.settimeout(0.0001)
            self._datagram(datagram)
        self._ask_again()
        return got

    def wait(self, predicate, timeout):
        deadline = time.monotonic() + timeout
        beat = time.monotonic() + 0.3
        while not predicate():
            if time.monotonic() >= deadline:
                return False
            self.pump(0.02)
            if time.monotonic() >= beat:
                self.heartbeat()
                beat = time.monotonic() + 0.3
        return True

    def _datagram(self, datagram):
        session, sequence, blocks = unmold(datagram)
        self.last_rx = time.monotonic()
        if session == NO_SESSION:
            for block in blocks:
                name, fields = SCHEMA.decode(block)
                if name == "EstablishAck" and fields["UUID"] == self.uuid:
                    number = fields["NextServerSeqNo"] - 1
                    self.mold_session = fields["MoldSession"]
                    self.next_client = fields["NextClientSeqNo"]
                    self.cl_ord_id = max(self.cl_ord_id, fields["LastClOrdID"])
                    if self.next_server is None:
                        self.next_server = number
                    self._put(number, block)
                self.unsequenced.append((name, fields))
        elif session == self.mold_session:
            for i, block in enumerate(blocks):
                self._put(sequence + i, block)
            self.end = max(self.end, sequence + len(blocks))

    def _put(self, number, block):
        if self.witness is not None:
            self.witness.saw(f"session {self.id}", number, block)
        self.end = max(self.end, number + 1)
        if number >= self.next_server:
            self.store[number] = block
        while self.next_server in self.store:
            name, fields = SCHEMA.decode(self.store.pop(self.next_server))
            self.messages.append((self.next_server, name, fields))
            self.next_server += 1

    def _ask_again(self):
        if self.next_server is not None and self.next_server < self.end and self.mold_session and time.monotonic() - self.asked > 0.05:
            self.asked = time.monotonic()
            hole = min([n for n in self.store] + [self.end])
            self.sock.sendto(mold(self.mold_session, self.next_server, count=min(hole - self.next_server, 1000)), (SERVER, REREQUEST_PORT))

    def find(self, name, **values):
        """The last message of a name whose fields have these values, or None."""
        for _, have, fields in reversed(self.messages):
            if have == name and all(fields.get(k) == v for k, v in values.items()):
                return fields
        return None

    def expect(self, name, timeout=3.0, **values):
        self.wait(lambda: self.find(name, **values) is not None, timeout)
        return self.find(name, **values)

    def expect_unsequenced(self, name, timeout=3.0, **values):
        def found():
            return next((f for n, f in reversed(self.unsequenced) if n == name and all(f.get(k) == v for k, v in values.items())), None)
        self.wait(lambda: found() is not None, timeout)
        return found()


# --- feed -----------------------------------------------------------------------------------------

class Feed:
    """Both lines of the incremental feed, in order, from number 1 of the day."""

    def __init__(self, app, witness=None, on_message=None):
        self.witness, self.on_message = witness, on_message
        self.socks = []
        with app.clients():
            index = socket.if_nametoindex(app.client_if)
            for group, port in GROUPS:
                sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
                sock.bind((group, port))
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, struct.pack("4s4si", socket.inet_aton(group), bytes(4), index))
                self.socks.append(sock)
            again = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            again.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)
            again.bind(("10.77.0.1", 0))
            self.socks.append(again)
        for sock in self.socks:
            sock.setblocking(False)
        self.session, self.next, self.end = None, 1, 1
        self.store, self.raw_count, self.heartbeats, self.asked, self.last_rx = {}, 0, 0, 0.0, 0.0
        self.rejects = []

    def close(self):
        for sock in self.socks:
            sock.close()

    def pump(self):
        """Take what has arrived. Returns the number of message copies."""
        copies = 0
        for sock in self.socks:
            while True:
                try:
                    datagram = sock.recv(2048)
                except BlockingIOError:
                    break
                copies += self._datagram(datagram)
        if self.next < self.end and self.session and time.monotonic() - self.asked > 0.05:
            self.asked = time.monotonic()
            hole = min(min(self.store, default=self.end), self.end)
            self.socks[2].sendto(mold(self.session, self.next, count=min(hole - self.next, 1000)), (SERVER, REREQUEST_PORT))
        return copies

    def _datagram(self, datagram):
        session, sequence, blocks = unmold(datagram)
        if session == NO_SESSION:
            self.rejects += [SCHEMA.decode(block) for block in blocks]
            return 0
        if session != self.session:
            if self.session is not None and session < self.session:
                return 0
            self.session, self.next, self.end, self.store = session, 1, 1, {}
        self.last_rx = time.monotonic()
        self.heartbeats += not blocks
        self.end = max(self.end, sequence + len(blocks))
        for i, block in enumerate(blocks):
            if self.witness is not None:
                self.witness.saw(session, sequence + i, block)
            if sequence + i >= self.next:
                self.store[sequence + i] = block
        while self.next in self.store:
            block = self.store.pop(self.next)
            self.next += 1
            if self.on_message is not None:
                self.on_message(block)
        self.raw_count += len(blocks)
        return len(blocks)

    def settle(self, timeout=5.0, quiet=0.5):
        """Receive until nothing is missing and nothing comes."""
        deadline, news = time.monotonic() + timeout, time.monotonic()
        while time.monotonic() < deadline and (time.monotonic() - news < quiet or self.next < self.end):
            if self.pump():
                news = time.monotonic()
            time.sleep(0.005)
        return self.next >= self.end


class Books:
    """Books from feed messages: {security: {"Buy"|"Sell": {order_id: [price, qty]}}}, dicts keep the order of arrival."""

    def __init__(self):
        self.sides, self.where, self.errors = {}, {}, []

    def apply(self, block):
        name, f = SCHEMA.decode(block)
        if name == "SecurityDefinition":
            self.sides.setdefault(f["SecurityID"], {"Buy": {}, "Sell": {}})
        elif name == "AddOrder":
            self._add(f["OrderID"], f["SecurityID"], f["Side"], f["Price"], f["DisplayQty"])
        elif name in ("OrderExecuted", "ReduceOrder", "DeleteOrder", "ReplaceOrder"):
            place = self.where.get(f["OrderID"])
            if place is None:
                self.errors.append((name, f))
                return
            order = place[f["OrderID"]]
            if name == "OrderExecuted":
                order[1] -= f["LastQty"]
                if order[1] < 0:
                    self.errors.append((name, f))
            elif name == "ReduceOrder":
                order[1] = f["LeavesQty"]
            if name in ("DeleteOrder", "ReplaceOrder") or order[1] <= 0:
                del place[f["OrderID"]], self.where[f["OrderID"]]
            if name == "ReplaceOrder":
                self._add(f["NewOrderID"], f["SecurityID"], f["Side"], f["Price"], f["DisplayQty"])

    def _add(self, order_id, security, side, price, qty):
        if order_id in self.where:
            self.errors.append(("AddOrder", order_id))
            return
        place = self.sides.setdefault(security, {"Buy": {}, "Sell": {}})[side]
        place[order_id] = [price, qty]
        self.where[order_id] = place

    def levels(self, security, side):
        """[[price, quantity, orders]], best first."""
        out = {}
        for price, qty in self.sides.get(security, {}).get(side, {}).values():
            level = out.setdefault(price, [price, 0, 0])
            level[1] += qty
            level[2] += 1
        return sorted(out.values(), reverse=side == "Buy")


# --- the appliance --------------------------------------------------------------------------------

class Appliance:
    """A private instance: own namespaces, interfaces, run directory and port. Use as a context."""

    def __init__(self, name, **environment):
        tag = f"{os.getpid() % 1000000}"
        self.run = ROOT / "build" / f"e2e-{name}"
        self.netns, self.client_netns = f"wcxe{tag}d", f"wcxe{tag}c"
        self.dp_if, self.client_if = f"wcxd{tag}", f"wcxc{tag}"
        self.http_port = 20000 + os.getpid() % 20000
        self.env = dict(os.environ, WCX_RUN_DIR=str(self.run), WCX_NETNS=self.netns, WCX_CLIENT_NETNS=self.client_netns, WCX_IF=self.dp_if,
                        WCX_CLIENT_IF=self.client_if, WCX_HTTP_PORT=str(self.http_port), **{"WCX_DATABASES": "0", **environment})
        self.state = self.run / "state"
        self.children = []

    def __enter__(self):
        atexit.register(self.down)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: sys.exit(1))
        self.up()
        return self

    def __exit__(self, *_):
        self.down()

    def up(self, keep=False):
        done = subprocess.run([str(ROOT / "control/dev/up.sh")], env=dict(self.env, KEEP="1" if keep else "0"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=120)
        if done.returncode != 0:
            raise RuntimeError("control/dev/up.sh failed:\n" + done.stdout.decode(errors="replace"))
        self.environment = {}
        for line in (self.run / "environment").read_text().splitlines():
            if "=" in line and not line.startswith("#"):
                key, value = line.split("=", 1)
                self.environment[key] = value.strip("'\"")
        self.region = self.environment.get("WCX_REGION", "")

    def down(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
                child.wait()
        self.children = []
        atexit.unregister(self.down)
        subprocess.run([str(ROOT / "control/dev/down.sh")], env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)

    def clients(self):
        """A context in which sockets are made in the clients' namespace."""
        return Namespace(self.client_netns)

    def command(self, *args):
        return ["nsenter", f"--net=/run/netns/{self.client_netns}", *map(str, args)]

    def spawn(self, *args, **kwargs):
        child = subprocess.Popen(self.command(*args), **dict(dict(stdin=subprocess.DEVNULL), **kwargs))
        self.children.append(child)
        return child

    def mm(self, *args, audit=True):
        """The command of wcx-mm against this instance."""
        extra = ["--wcxctl", ROOT / "build/bin/wcxctl", "--state-dir", self.state] if audit else []
        return [ROOT / "build/bin/wcx-mm", "--plain", "--interface", self.client_if, "--control-socket", self.run / "control" / "control.sock", *extra, *args]

    def wcxctl(self, *args, check=True):
        """Lines of JSON of a wcxctl command."""
        done = subprocess.run([str(ROOT / "build/bin/wcxctl"), "--control-dir", str(self.run / "control"), "--state-dir", str(self.state), *map(str, args), "-o", "json"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        if check and done.returncode != 0:
            raise RuntimeError(f"wcxctl {args}: status {done.returncode}: {done.stderr.decode(errors='replace')}{done.stdout.decode(errors='replace')[-2000:]}")
        return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]

    def metrics(self):
        """{name: value} of all counters, summed over labels."""
        text = urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/metrics", timeout=5).read().decode()
        out = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                name = name.split("{")[0]
                out[name] = out.get(name, 0) + float(value)
        return out

    def stages(self):
        """{stage: its row} of the only shard, as wcxctl stage list tells them."""
        return {row["Stage"]: row for row in self.wcxctl("stage", "list")[0]["Stages"]["Shards"][0]["Stages"]}

    def counter(self, name):
        return int(self.metrics().get(f"wcx_{name}_total", -1))

    def pid(self, role):
        """dataplane, controld, journal, replica, auth or api."""
        path = {"dataplane": self.run / "dataplane.pid", "controld": self.run / "controld.pid"}.get(role)
        if path is None:
            found = sorted((self.run / "control").glob(f"wcx-{role}*.pid"))
            if not found:
                return None
            path = found[0]
        try:
            pid = int(path.read_text())
            exe = os.path.basename(os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)"))
        except (OSError, ValueError):
            return None
        return pid if exe == f"wcx-{role}" else None

    def kill(self, role, number=signal.SIGKILL):
        pid = self.pid(role)
        if pid is not None:
            os.kill(pid, number)
        return pid

    def wait_pid(self, role, other_than, timeout=10.0):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            pid = self.pid(role)
            if pid is not None and pid != other_than:
                return pid
            time.sleep(0.02)
        return None

    def logs(self, lines=5):
        out = []
        for path in sorted((self.run / "log").glob("*.log")):
            out.append(f"{path.name}: " + " | ".join(path.read_text(errors="replace").splitlines()[-lines:]))
        return "\n".join(out)


class Namespace:
    """Enter a network namespace with this thread, and leave it."""
    CLONE_NEWNET = 0x40000000
    libc = ctypes.CDLL(None, use_errno=True)

    def __init__(self, name):
        self.path = f"/run/netns/{name}"

    def _enter(self, path):
        fd = os.open(path, os.O_RDONLY)
        try:
            if self.libc.setns(fd, self.CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"setns {path}")
        finally:
            os.close(fd)

    def __enter__(self):
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self._enter(self.path)

    def __exit__(self, *_):
        if self.libc.setns(self.home, self.CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns back")
        os.close(self.home)


# --- test points ----------------------------------------------------------------------------------

class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def ok(self, condition, name, detail=""):
        self.count += 1
        self.failed += not condition
        print(f"{'ok' if condition else 'not ok'} {self.count} - {name}", flush=True)
        if not condition and detail != "":
            for line in str(detail).splitlines():
                print(f"# {line}", flush=True)
        return bool(condition)

    def note(self, text):
        print(f"# {text}", flush=True)

    def done(self):
        print(f"1..{self.count}", flush=True)
        sys.exit(1 if self.failed else 0)


def require(*tools):
    """Skip the whole program, with the reason, when it cannot run here."""
    reason = None
    if os.geteuid() != 0:
        reason = "needs root: network namespaces and huge pages"
    for tool in ("ip", *tools):
        if shutil.which(tool) is None:
            reason = f"{tool} is not installed: make deps"
    for exe in ("wcx-dataplane", "wcx-controld", "wcx-journal", "wcx-keeper", "wcx-replica", "wcx-auth", "wcx-api", "wcxctl", "wcx-mm"):
        if not (ROOT / "build" / "bin" / exe).exists():
            reason = f"build/bin/{exe} is missing: make build"
    if reason:
        print(f"ok 1 - {Path(sys.argv[0]).stem} # SKIP {reason}\n1..1")
        sys.exit(0)


def summary_of(output):
    """The JSON object on the last line of what wcx-mm printed."""
    lines = [line for line in output.decode(errors="replace").splitlines() if line.strip()]
    return json.loads(lines[-1])
