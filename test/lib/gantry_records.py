"""Records of gantryd as files (runtime/state/record_format.h)."""

import struct

_MAGIC = b"GREC"
_RECORD = 16  # bytes of header
_UPDATE = 20


def _crc32c_table():
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
        table.append(crc)
    return table


_TABLE = _crc32c_table()


def crc32c(data, crc=0):
    crc ^= 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xff]
    return crc ^ 0xffffffff


def payload(path):
    """The newest one."""
    with open(path, "rb") as source:
        data = source.read()
    newest, header = b"", _RECORD
    while data:
        magic, version, length = struct.unpack_from("<4sII", data)
        assert magic == _MAGIC and version in (1, 2), (path, magic, version)
        newest, data = (data[header:header + length], data[header + length:])
        header = _UPDATE
    return newest


def write(path, content):
    """A record of this payload and nothing else."""
    head = struct.pack("<II", 1, len(content))
    with open(path, "wb") as out:
        out.write(_MAGIC + head +
                  struct.pack("<I", crc32c(content, crc32c(head))) + content)


def write_newer(path, version=3):
    """A record whose version is still to come."""
    head = struct.pack("<II", version, 5)
    with open(path, "wb") as out:
        out.write(_MAGIC + head + struct.pack("<I", crc32c(head)) + b"?" * 9)


def field(number, content):
    """A length-delimited field of a protobuf message."""
    def varint(value):
        out = b""
        while value >= 0x80:
            out += bytes([value & 0x7f | 0x80])
            value >>= 7
        return out + bytes([value])
    return varint(number << 3 | 2) + varint(len(content)) + content
