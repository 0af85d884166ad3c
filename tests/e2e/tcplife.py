"""An independent SoupBinTCP 3.0 client of the appliance, on kernel sockets, for end-to-end tests. Nothing here uses the C code.

  Link      one TCP connection: login, packets both ways; every byte is counted and the connection can be cut after any of them
  TcpLife   one session over many links: numbers, what each carried, which requests were answered
"""
import socket
import struct
import time

from wcxlib import SCHEMA, SERVER, Session

TCP_PORT = 7001


class Cut(Exception):
    """The link was cut after the number of bytes the test had chosen, or the server ended it."""


def packet(kind, payload=b""):
    return struct.pack(">Hc", len(payload) + 1, kind) + payload


def login(user, session_id, number=0, password="any"):
    return packet(b"L", user.ljust(6).encode() + password.ljust(10).encode() + b"S%09d" % session_id + b"%20d" % number)


class Link:
    """One connection. out_max, in_max: how many bytes may be sent and received before it is cut."""

    def __init__(self, app, out_max=None, in_max=None, reset=False, chunk=4096):
        self.out_max, self.in_max, self.reset, self.chunk = out_max, in_max, reset, chunk
        self.sent, self.received, self.buffer = 0, 0, b""
        with app.clients():
            self.sock = socket.create_connection((SERVER, TCP_PORT), timeout=5, source_address=("10.77.0.1", 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self):
        if self.sock is None:
            return
        if self.reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
        self.sock = None

    def _cut(self):
        self.close()
        raise Cut

    def send(self, data):
        if self.out_max is not None and self.sent + len(data) >= self.out_max:
            self.sock.sendall(data[:self.out_max - self.sent])
            self.sent = self.out_max
            self._cut()
        self.sock.sendall(data)
        self.sent += len(data)

    def read(self, timeout=3.0):
        """The next packet: (type, payload), or None when nothing came."""
        deadline = time.monotonic() + timeout
        while True:
            if len(self.buffer) >= 2:
                size = 2 + struct.unpack_from(">H", self.buffer)[0]
                if len(self.buffer) >= size:
                    whole, self.buffer = self.buffer[:size], self.buffer[size:]
                    return whole[2:3], whole[3:]
            want = self.chunk if self.in_max is None else min(self.chunk, self.in_max - self.received)
            if want == 0:
                self._cut()
            self.sock.settimeout(max(deadline - time.monotonic(), 0.0001))
            try:
                data = self.sock.recv(want)
            except TimeoutError:
                return None
            except ConnectionResetError:
                data = b""
            if not data:
                self._cut()
            self.received += len(data)
            self.buffer += data


class TcpLife:
    """One session over TCP, link after link. Not a market maker: it sends what the test says and keeps what comes."""

    def __init__(self, app, session_id, witness=None):
        self.app, self.id, self.witness = app, session_id, witness
        self.signer = Session(app, session_id)  # only its signatures
        self.next = None       # first number that is not here
        self.messages = []     # (number, name, fields), in order
        self.cl_ord_id = 0
        self.link = None
        self.uncounted = []    # what came outside the numbers
        self.bad = []          # what the server must not do

    def close(self):
        if self.link is not None:
            self.link.close()
        self.signer.close()

    def open(self, **limits):
        """Log in and sign on. Returns the EstablishAck. Raises Cut when the link goes before."""
        self.link = Link(self.app, **limits)
        self.link.send(login(f"mm{self.id}", self.id, self.next or 0))
        kind, payload = self.link.read() or (None, b"")
        if kind != b"A" or payload[:10] != b"S%09d" % self.id:
            self.bad.append(("login", kind, payload))
            self.link.close()
            raise Cut
        number = int(payload[10:])
        if self.next is None:
            self.next = number
        if number != self.next:
            self.bad.append(("Login Accepted says", number, "asked for", self.next))
        self.link.send(packet(b"U", self.signer.establish_message(transport=1, port=TCP_PORT, Flags=4)))
        uuid = self.signer.uuid
        while True:
            name, fields = self.read() or (None, None)
            if name is None:
                self.bad.append(("no answer to Establish",))
                self.link.close()
                raise Cut
            if name == "EstablishReject":
                self.link.close()
                raise RuntimeError(f"EstablishReject {fields}")
            if name == "EstablishAck" and fields["UUID"] == uuid:
                if fields["NextServerSeqNo"] != self.next:
                    self.bad.append(("EstablishAck is message", self.next - 1, "and says", fields["NextServerSeqNo"]))
                self.cl_ord_id = max(self.cl_ord_id, fields["LastClOrdID"])
                return fields

    def read(self, timeout=3.0):
        """The next message: (name, fields); None when nothing came."""
        deadline = time.monotonic() + timeout
        while True:
            got = self.link.read(max(deadline - time.monotonic(), 0.0))
            if got is None:
                return None
            kind, payload = got
            if kind == b"H":
                continue
            if kind != b"S":
                self.bad.append(("packet type", kind, payload))
                continue
            name, fields = SCHEMA.decode(payload)
            if name == "EstablishReject" or (name == "Terminate" and fields["UUID"] == self.signer.uuid):
                self.uncounted.append((name, fields))  # a Terminate that was counted comes again, in its turn
                return name, fields
            if self.witness is not None:
                self.witness.saw(f"session {self.id}", self.next, payload)
            self.messages.append((self.next, name, fields))
            self.next += 1
            return name, fields

    def read_until(self, name, timeout=3.0, **values):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            got = self.read(max(deadline - time.monotonic(), 0.0))
            if got is None:
                return None
            if got[0] == name and all(got[1].get(key) == value for key, value in values.items()):
                return got[1]
        return None

    def find(self, name, **values):
        return [fields for _, have, fields in self.messages if have == name and all(fields.get(k) == v for k, v in values.items())]

    def order_message(self, cl_ord_id, side, price, qty, security=1, **values):
        fields = dict(ClOrdID=cl_ord_id, Price=price, OrderQty=qty, SecurityID=security, Account=self.id, Side=side, OrdType="Limit", TimeInForce="GTC",
                      SelfMatchPreventionInst="None", ExecInst=0, MmpGroup=0, SelfMatchPreventionID=0)
        fields.update(values)
        return SCHEMA.encode("NewOrderSingle", **fields)

    def send(self, message):
        self.link.send(packet(b"U", message))

    def terminate(self):
        self.send(SCHEMA.encode("Terminate", UUID=self.signer.uuid, Code="Finished"))
