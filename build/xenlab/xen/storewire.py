# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 -- one signature serves every entry of the table
"""The messages of the xenstore protocol and what xenstored answers to each.

Source: xen/docs/misc/xenstore.txt, xen/include/public/io/xs_wire.h.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from xenlab.xen.abi import XENSTORE_PAYLOAD_MAX, XS
from xenlab.xen.releases import Release
from xenlab.xen.store import Connection, StoreError

HEADER = struct.Struct("<4I")
_OK = b"OK\0"


@dataclass(frozen=True)
class Message:
    type: int
    req_id: int
    tx_id: int
    payload: bytes

    def pack(self) -> bytes:
        return HEADER.pack(self.type, self.req_id, self.tx_id, len(self.payload)) + self.payload

    @property
    def name(self) -> str:
        return XS(self.type).name if self.type in set(XS) else f"type {self.type}"


def answer(connection: Connection, request: Message, release: Release) -> Message | None:
    """Do what the request asks and return the reply; None where this release's daemon stays silent."""
    known = request.type in _HANDLERS
    if request.type == XS.RESET_WATCHES and not release.store_resets_watches:
        known = False
    if not known and release.store_ignores_unknown:
        return None
    try:
        if not known:
            raise StoreError("ENOSYS")
        payload = _HANDLERS[request.type](connection, request)
        if len(payload) > XENSTORE_PAYLOAD_MAX:
            raise StoreError("E2BIG")
    except StoreError as error:
        return Message(XS.ERROR, request.req_id, request.tx_id, error.name.encode() + b"\0")
    return Message(request.type, request.req_id, request.tx_id, payload)


def _strings(payload: bytes, least: int, most: int | None = None) -> list[str]:
    """Split NUL-terminated strings; EINVAL for another number of them or an unterminated one."""
    if not payload.endswith(b"\0"):
        raise StoreError("EINVAL")
    strings = [part.decode("latin-1") for part in payload[:-1].split(b"\0")]
    if not least <= len(strings) <= (most or len(strings)):
        raise StoreError("EINVAL")
    return strings


def _path(payload: bytes) -> str:
    return _strings(payload, 1, 1)[0]


def _directory(connection: Connection, request: Message) -> bytes:
    children = connection.directory(_path(request.payload), request.tx_id)
    return b"".join(child.encode() + b"\0" for child in children)


def _read(connection: Connection, request: Message) -> bytes:
    return connection.read(_path(request.payload), request.tx_id)


def _write(connection: Connection, request: Message) -> bytes:
    path, separator, value = request.payload.partition(b"\0")
    if not separator:
        raise StoreError("EINVAL")
    connection.write(path.decode("latin-1"), value, request.tx_id)
    return _OK


def _mkdir(connection: Connection, request: Message) -> bytes:
    connection.mkdir(_path(request.payload), request.tx_id)
    return _OK


def _rm(connection: Connection, request: Message) -> bytes:
    connection.remove(_path(request.payload), request.tx_id)
    return _OK


def _get_perms(connection: Connection, request: Message) -> bytes:
    perms = connection.get_perms(_path(request.payload), request.tx_id)
    return b"".join(perm.encode() + b"\0" for perm in perms)


def _set_perms(connection: Connection, request: Message) -> bytes:
    path, *perms = _strings(request.payload, 2)
    connection.set_perms(path, perms, request.tx_id)
    return _OK


def _watch(connection: Connection, request: Message) -> bytes:
    connection.watch(*_strings(request.payload, 2, 3)[:2])
    return _OK


def _unwatch(connection: Connection, request: Message) -> bytes:
    connection.unwatch(*_strings(request.payload, 2, 3)[:2])
    return _OK


def _reset_watches(connection: Connection, request: Message) -> bytes:
    connection.reset()
    return _OK


def _transaction_start(connection: Connection, request: Message) -> bytes:
    if request.tx_id:
        raise StoreError("EBUSY")
    return str(connection.transaction_start()).encode() + b"\0"


def _transaction_end(connection: Connection, request: Message) -> bytes:
    if request.payload not in {b"T\0", b"F\0"}:
        raise StoreError("EINVAL")
    connection.transaction_end(request.tx_id, request.payload == b"T\0")
    return _OK


def _get_domain_path(connection: Connection, request: Message) -> bytes:
    return f"/local/domain/{_domid(request)}\0".encode()


def _is_domain_introduced(connection: Connection, request: Message) -> bytes:
    return b"T\0" if _domid(request) in {0, connection.domid} else b"F\0"


def _domid(request: Message) -> int:
    text = _path(request.payload)
    if not text.isdecimal():
        raise StoreError("EINVAL")
    return int(text)


def _only_dom0(connection: Connection, request: Message) -> bytes:
    raise StoreError("EACCES")


_HANDLERS: Mapping[int, Callable[[Connection, Message], bytes]] = {
    XS.CONTROL: _only_dom0,
    XS.DIRECTORY: _directory,
    XS.READ: _read,
    XS.GET_PERMS: _get_perms,
    XS.WATCH: _watch,
    XS.UNWATCH: _unwatch,
    XS.TRANSACTION_START: _transaction_start,
    XS.TRANSACTION_END: _transaction_end,
    XS.GET_DOMAIN_PATH: _get_domain_path,
    XS.WRITE: _write,
    XS.MKDIR: _mkdir,
    XS.RM: _rm,
    XS.SET_PERMS: _set_perms,
    XS.IS_DOMAIN_INTRODUCED: _is_domain_introduced,
    XS.RESET_WATCHES: _reset_watches,
}
