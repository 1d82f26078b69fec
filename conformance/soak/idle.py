"""Connections with one channel that do nothing, opened as cheaply as this language allows."""

import socket
import struct


def frame(kind, channel, payload):
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


HEADER = b"AMQP\0\0\x09\x01"
START_OK = frame(1, 0, b"\0\x0a\0\x0b\0\0\0\0\x05PLAIN\0\0\0\x0c\0guest\0guest\x05en_US")
TUNE_OK_AND_OPEN = frame(1, 0, b"\0\x0a\0\x1f" + struct.pack(">HIH", 2047, 131072, 0)) + frame(1, 0, b"\0\x0a\0\x28\x01/\0\0")
CHANNEL_OPEN = frame(1, 1, b"\0\x14\0\x0a\0")


def read_frame(connection):
    head = read(connection, 7)
    return read(connection, struct.unpack(">I", head[3:])[0] + 1)


def read(connection, length):
    data = b""
    while len(data) < length:
        more = connection.recv(length - len(data))
        if not more:
            raise ConnectionError("the broker closed a connection that did nothing")
        data += more
    return data


def open_one(address):
    connection = socket.create_connection(address, timeout=60)
    for request in (HEADER, START_OK, TUNE_OK_AND_OPEN, CHANNEL_OPEN):
        connection.sendall(request)
        read_frame(connection)
    return connection


def open_many(address, count):
    """Opens them; who calls keeps them."""
    return [open_one(address) for _ in range(count)]
