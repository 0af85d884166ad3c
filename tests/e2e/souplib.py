"""A client of the TCP ports in Python: SoupBinTCP over the kernel's sockets, for the end-to-end tests."""
import socket
import struct
import time

from wcxlib import SCHEMA, SERVER, Session

TCP_PORT, PURGE_PORT, DROP_COPY_PORT, REPLAY_PORT = 7001, 7004, 7005, 7006


def soup(kind, payload=b""):
    return struct.pack(">H", len(payload) + 1) + kind.encode() + payload


def login(user, number=0, session="", password="any"):
    return soup("L", user.encode().ljust(6) + password.encode().ljust(10) + session.encode().ljust(10) + str(number).encode().rjust(20))


class SoupSession:
    """One connection: what the server sends is in `messages` as (number, name, fields), counted as a SoupBinTCP client counts."""

    def __init__(self, app, session_id, port=TCP_PORT):
        self.app, self.id, self.port = app, session_id, port
        self.signer = Session.__new__(Session)
        self.signer.key, self.signer.secret, self.signer.id, self.signer.uuid = f"DEMO-MM-{session_id}", f"demo-secret-{session_id}", session_id, 0
        self.cl_ord_id = 0
        self.forget()

    def forget(self):
        self.buffer, self.messages, self.raw, self.next, self.accepted, self.rejected, self.ended, self.heartbeats = b"", [], [], None, None, None, False, 0
        self.others = []

    def connect(self, timeout=5.0, receive_buffer=None):
        with self.app.clients():
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.settimeout(timeout)
        self.sock.connect((SERVER, self.port))

    def close(self):
        self.sock.close()

    def reset(self):
        """Close with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def establish_message(self, **values):
        return self.signer.establish_message(**{"transport": 1, "port": self.port, **values})

    def log_in(self, number=0, user=None, **values):
        self.sock.sendall(login(user or f"mm{self.id}", number, **values))
        self.wait(lambda: self.accepted or self.rejected or self.ended, 3)
        return self.accepted

    def establish(self, timeout=5.0, message=None, **values):
        """The answer to an Establish as (name, fields), or None; what came before it is in `messages`."""
        self.sock.sendall(soup("U", message or self.establish_message(**values)))
        uuid = self.signer.uuid

        def answer():
            return next(((name, f) for _, name, f in reversed(self.messages) if name in ("EstablishAck", "EstablishReject") and f["UUID"] == uuid), None)
        self.wait(lambda: answer() or self.ended, timeout)
        found = answer()
        if found and found[0] == "EstablishAck":
            self.cl_ord_id = max(self.cl_ord_id, found[1]["LastClOrdID"])
        return found

    def open(self, number=0, **values):
        """Connect, log in, establish."""
        self.forget()
        self.connect()
        if not self.log_in(number):
            return None
        return self.establish(**values)

    def send(self, message):
        self.sock.sendall(soup("U", message))

    def next_id(self):
        self.cl_ord_id += 1
        return self.cl_ord_id

    def order_message(self, side, price, qty, security=1, tif="GTC", **values):
        fields = dict(ClOrdID=self.next_id(), Price=price, OrderQty=qty, SecurityID=security, Account=self.id, Side=side, OrdType="Limit", TimeInForce=tif,
                      SelfMatchPreventionInst="None", ExecInst=0, MmpGroup=0, SelfMatchPreventionID=0)
        fields.update(values)
        return SCHEMA.encode("NewOrderSingle", **fields)

    def order(self, *args, **values):
        self.send(self.order_message(*args, **values))
        return self.cl_ord_id

    def cancel(self, orig, security=1):
        self.send(SCHEMA.encode("OrderCancelRequest", ClOrdID=self.next_id(), OrigClOrdID=orig, SecurityID=security))
        return self.cl_ord_id

    def heartbeat(self):
        self.sock.sendall(soup("R"))

    def pump(self, timeout):
        """Receive what comes within `timeout` seconds, up to the first quiet moment."""
        self.sock.settimeout(max(timeout, 0.0001))
        try:
            data = self.sock.recv(65536)
        except (socket.timeout, BlockingIOError):
            return False
        except ConnectionResetError:
            self.ended = True
            return False
        if not data:
            self.ended = True
            return False
        self.buffer += data
        while len(self.buffer) >= 2 and len(self.buffer) >= 2 + struct.unpack_from(">H", self.buffer)[0]:
            size = struct.unpack_from(">H", self.buffer)[0]
            self._packet(chr(self.buffer[2]), self.buffer[3:2 + size])
            self.buffer = self.buffer[2 + size:]
        return True

    def _packet(self, kind, payload):
        if kind == "A":
            self.accepted = (payload[:10].decode(), int(payload[10:]))
            self.next = self.accepted[1]
        elif kind == "J":
            self.rejected = payload.decode()
        elif kind == "S":
            name, fields = SCHEMA.decode(payload)
            if self.port != TCP_PORT and name in ("EstablishAck", "EstablishReject", "Terminate"):
                self.messages.append((None, name, fields))  # beside order entry these are not counted
                return
            self.raw.append((self.next, payload))
            self.messages.append((self.next, name, fields))
            self.next += 1
        elif kind == "H":
            self.heartbeats += 1
        else:
            self.others.append((kind, payload))

    def wait(self, predicate, timeout):
        deadline, beat = time.monotonic() + timeout, time.monotonic() + 0.5
        while not predicate():
            if time.monotonic() >= deadline:
                return False
            if not self.pump(0.02) and self.ended:
                return bool(predicate())
            if time.monotonic() >= beat and self.accepted and not self.ended:
                try:
                    self.heartbeat()
                except OSError:
                    pass
                beat = time.monotonic() + 0.5
        return True

    def find(self, name, **values):
        return next((f for _, have, f in reversed(self.messages) if have == name and all(f.get(k) == v for k, v in values.items())), None)

    def expect(self, name, timeout=3.0, **values):
        self.wait(lambda: self.find(name, **values) is not None or self.ended, timeout)
        return self.find(name, **values)
