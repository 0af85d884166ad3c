"""Capture files made by hand, packet by packet: what tshark is given to read where no traffic flows.

  Capture    frames of UDP datagrams and of TCP connections with their handshakes; save() writes a pcap file
"""
import struct

ETHERNET = bytes.fromhex("02000a4d0002" "02000a4d0001" "0800")
SYN, FIN, PSH, ACK = 0x02, 0x01, 0x08, 0x10


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def address(text):
    return bytes(int(part) for part in text.split("."))


class Capture:
    def __init__(self):
        self.frames = []

    def _ip(self, source, target, protocol, segment, checksum_at):
        pseudo = source + target + struct.pack(">BBH", 0, protocol, len(segment))
        segment = segment[:checksum_at] + struct.pack(">H", checksum(pseudo + segment) or 0xFFFF) + segment[checksum_at + 2:]
        header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(segment), len(self.frames) & 0xFFFF, 0x4000, 64, protocol, 0, source, target)
        self.frames.append(ETHERNET + header[:10] + struct.pack(">H", checksum(header)) + header[12:] + segment)

    def udp(self, source, source_port, target, target_port, payload):
        """Returns the number of the frame, from 1."""
        segment = struct.pack(">HHHH", source_port, target_port, 8 + len(payload), 0) + payload
        self._ip(address(source), address(target), 17, segment, 6)
        return len(self.frames)

    def tcp(self, client, client_port, server, server_port):
        return Connection(self, (address(client), client_port), (address(server), server_port))

    def save(self, path):
        with open(path, "wb") as file:
            file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
            for number, frame in enumerate(self.frames):
                file.write(struct.pack("<IIII", 1790000000 + number // 1000, number % 1000 * 1000, len(frame), len(frame)) + frame)


class Connection:
    """A TCP connection, opened by its handshake when it is made."""

    def __init__(self, capture, client, server):
        self.capture, self.ends = capture, (client, server)
        self.next = [1000, 900000]
        self._segment(0, SYN)
        self._segment(1, SYN | ACK)
        self._segment(0, ACK)

    def _segment(self, end, flags, payload=b""):
        (source, source_port), (target, target_port) = self.ends[end], self.ends[1 - end]
        acknowledged = self.next[1 - end] if flags & ACK else 0
        header = struct.pack(">HHIIBBHHH", source_port, target_port, self.next[end], acknowledged, 5 << 4, flags, 65000, 0, 0)
        self.capture._ip(source, target, 6, header + payload, 16)
        self.next[end] += len(payload) + (1 if flags & (SYN | FIN) else 0)
        return len(self.capture.frames)

    def send(self, end, payload):
        """One segment from end 0 (client) or 1 (server), and its acknowledgement. Returns the number of the segment's frame."""
        number = self._segment(end, PSH | ACK, payload)
        self._segment(1 - end, ACK)
        return number

    def close(self):
        self._segment(0, FIN | ACK)
        self._segment(1, FIN | ACK)
        self._segment(0, ACK)
