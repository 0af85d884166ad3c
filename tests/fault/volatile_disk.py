"""A disk with a volatile write cache, served to QEMU over NBD: what makes a power cut lose something.

kill -9 of a virtual machine alone loses nothing, because what the guest has written is in the host's page cache. Here a write stays in a list until a flush
(or its own FUA) makes it durable, and power_cut() decides with a seed for each write in that list whether it is gone, kept, or torn at 512-byte sectors;
a later one may stay while an earlier one goes. A liar answers flushes and keeps nothing: with it a test must find lost records, or it is blind.
freeze() picks the moment: from a write on nothing is answered any more, so that this write, and what came with it, is not yet covered.
"""
import os
import socket
import struct
import threading

SECTOR = 512
MAGIC, OPT_MAGIC, REPLY_MAGIC = 0x4E42444D41474943, 0x49484156454F5054, 0x3E889045565A9
REQUEST, SIMPLE_REPLY = 0x25609513, 0x67446698
FLAGS = 1 | 4 | 8  # has flags, flush, FUA
READ, WRITE, DISC, FLUSH = 0, 1, 2, 3


def tear(image, pending, dice, whole=False):
    """A power cut: each write in `pending` is gone, kept, or torn at sectors, in `image`; `whole`: all are gone or all are kept. Returns how many met which fate."""
    mood = dice.choice(("lose", "keep") if whole else ("lose", "keep", "mix", "mix", "tear"))
    fates = {"lost": 0, "kept": 0, "torn": 0}
    for off, data in pending:
        fate = {"lose": "lost", "keep": "kept", "tear": "torn"}.get(mood) or dice.choice(("lost", "kept", "torn"))
        fates[fate] += 1
        if fate == "kept":
            image[off:off + len(data)] = data
        elif fate == "torn":
            for at in range(0, len(data), SECTOR):
                if dice.random() < 0.5:
                    image[off + at:off + at + SECTOR] = data[at:at + SECTOR]
    return fates


class VolatileDisk:
    def __init__(self, image, path, liar=False):
        """`image`: bytes of the disk at first; `path`: where the socket will lie."""
        self.now = bytearray(image)      # what the guest reads
        self.durable = bytearray(image)  # what survives
        self.pending = []                # (offset, bytes) in order
        self.path, self.liar = path, liar
        self.lock = threading.Lock()
        self.writes = self.flushes = self.lost = self.torn = self.kept = 0
        self.freeze_in = 0               # writes until nothing is answered any more; 0: no such plan
        self.frozen = threading.Event()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if os.path.exists(path):
            os.unlink(path)
        self.listener.bind(path)
        self.listener.listen(4)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()
        if os.path.exists(self.path):
            os.unlink(self.path)

    def freeze(self, writes, timeout):
        """Stop answering at that write from now, and wait for it. False when it did not come in time."""
        with self.lock:
            self.freeze_in = writes
        return self.frozen.wait(timeout)

    def power_cut(self, dice, whole=False):
        """The machine is dead already. Every write that no flush covered meets its fate."""
        with self.lock:
            self.freeze_in = 0
            self.frozen.clear()
            fates = tear(self.durable, self.pending, dice, whole)
            self.lost += fates["lost"]
            self.torn += fates["torn"]
            self.kept += fates["kept"]
            self.pending = []
            self.now = bytearray(self.durable)

    def _flush(self):
        self.flushes += 1
        if self.liar:
            return
        for off, data in self.pending:
            self.durable[off:off + len(data)] = data
        self.pending = []

    def _write(self, off, data, fua):
        self.now[off:off + len(data)] = data
        self.writes += 1
        if self.freeze_in > 0:
            self.freeze_in -= 1
            if self.freeze_in == 0:
                self.frozen.set()
        if not fua or self.liar:
            self.pending.append((off, data))
            return
        # what lies under it must not come back over it: it becomes durable first
        under = [w for w in self.pending if w[0] < off + len(data) and off < w[0] + len(w[1])]
        self.pending = [w for w in self.pending if w not in under]
        for at, old in under + [(off, data)]:
            self.durable[at:at + len(old)] = old

    # --- NBD ----------------------------------------------------------------------------------------

    def _accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        try:
            with peer:
                peer.sendall(struct.pack(">QQH", MAGIC, OPT_MAGIC, 3))
                flags = struct.unpack(">I", self._take(peer, 4))[0]
                if self._options(peer, flags):
                    self._requests(peer)
        except (EOFError, OSError):
            pass  # the power went

    @staticmethod
    def _take(peer, size):
        parts = []
        while size > 0:
            part = peer.recv(min(size, 1 << 20))
            if not part:
                raise EOFError
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _options(self, peer, flags):
        def answer(option, kind, data=b""):
            peer.sendall(struct.pack(">QIII", REPLY_MAGIC, option, kind, len(data)) + data)
        while True:
            _, option, size = struct.unpack(">QII", self._take(peer, 16))
            self._take(peer, size)
            if option == 1:  # EXPORT_NAME
                peer.sendall(struct.pack(">QH", len(self.now), FLAGS) + (b"" if flags & 2 else bytes(124)))
                return True
            if option in (6, 7):  # INFO, GO
                answer(option, 3, struct.pack(">HQH", 0, len(self.now), FLAGS))
                answer(option, 1)
                if option == 7:
                    return True
            elif option == 2:  # ABORT
                answer(option, 1)
                return False
            else:
                answer(option, 0x80000001)

    def _requests(self, peer):
        while True:
            magic, flags, kind, cookie, off, size = struct.unpack(">IHHQQI", self._take(peer, 28))
            if magic != REQUEST or kind == DISC:
                return
            data = self._take(peer, size) if kind == WRITE else b""
            error, out = 0, b""
            with self.lock:
                if self.frozen.is_set():
                    continue
                if kind != FLUSH and off + size > len(self.now):
                    error = 28
                elif kind == READ:
                    out = bytes(self.now[off:off + size])
                elif kind == WRITE:
                    self._write(off, data, flags & 1)
                elif kind == FLUSH:
                    self._flush()
                else:
                    error = 22
                if self.frozen.is_set():
                    continue
            peer.sendall(struct.pack(">IIQ", SIMPLE_REPLY, error, cookie) + out)


