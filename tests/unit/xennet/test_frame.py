# SPDX-License-Identifier: GPL-2.0-or-later
"""What xennet does to the bytes of frames, compiled for this machine: headers, checksums, segments, address filter.

The judge is written here from the RFCs, another way than the driver's: sums over big-endian words by Python's integers.
"""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from gplpv import process
from gplpv.tools import Zig

ROOT = Path(__file__).parents[3]
HOST = Path(__file__).parent / "host"
XENNET = ROOT / "drivers_src" / "xennet"
SOURCES = ("headers.c", "checksum.c", "segment.c", "filter.c")
TCP, UDP = 6, 17
OURS, THEIRS = bytes.fromhex("00163e000001"), bytes.fromhex("00163e000002")


class Frames:
    """The compiled program: a list of commands in, a list of answers out."""

    def __init__(self, program: Path) -> None:
        self.program = program

    def ask(self, *commands: str) -> list[str]:
        answers = process.run([self.program], given="\n".join(commands) + "\n", timeout=60).output.splitlines()
        assert len(answers) == len(commands)
        return answers


def compile_frames(program: Path, sources: list[Path]) -> Frames:
    zig = Zig()
    zig.run(
        [
            "cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-g", "-fno-strict-aliasing",
            "-fsanitize=undefined", "-fno-sanitize=alignment", "-DUNALIGNED=",
            f"-I{XENNET}", f"-I{ROOT / 'tests/unit/xenvbd/host'}",
            "-o", program, *sources, HOST / "frame.c",
        ]
    )  # fmt: skip
    return Frames(program)


@pytest.fixture(scope="session")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Frames:
    return compile_frames(tmp_path_factory.mktemp("xennet") / "frames", [XENNET / name for name in SOURCES])


# The judge


def ones(data: bytes) -> int:
    """The one's complement sum of RFC 1071."""
    padded = data + bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(padded) // 2}H", padded))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def transport(protocol: int, source: bytes, destination: bytes, segment: bytes) -> bytes:
    """The TCP or UDP packet with its checksum made."""
    at = 16 if protocol == TCP else 6
    blank = segment[:at] + b"\0\0" + segment[at + 2 :]
    pseudo = source + destination + struct.pack(">II", len(segment), protocol)
    value = ~ones(pseudo + blank) & 0xFFFF
    if protocol == UDP and value == 0:
        value = 0xFFFF
    return blank[:at] + value.to_bytes(2, "big") + blank[at + 2 :]


def tcp(data: bytes, sequence: int = 1, flags: int = 0x18, options: bytes = b"") -> bytes:
    return struct.pack(">HHIIBBHHH", 80, 5000, sequence, 7, (20 + len(options)) * 4, flags, 512, 0, 0) + options + data


def udp(data: bytes) -> bytes:
    return struct.pack(">HHHH", 53, 5001, 8 + len(data), 0) + data


class Builder:
    """A frame with right checksums."""

    def __init__(
        self, version: int, protocol: int, body: bytes, *, tags: int = 0, between: bytes = b"", fragment: int = 0,
        identification: int = 9, padding: bytes = b"", first: int | None = None,
    ) -> None:  # fmt: skip
        head = THEIRS + OURS + b"\x81\x00\x20\x05" * tags
        if version == 4:
            source, destination = b"\x0a\0\0\x01", b"\x0a\0\0\x02"
            body = transport(protocol, source, destination, body) if not fragment else body
            size = 20 + len(between)
            ip = struct.pack(
                ">BBHHHBBH4s4s", 0x40 + size // 4, 0, size + len(body), identification, fragment, 64, protocol, 0,
                source, destination,
            ) + between  # fmt: skip
            ip = ip[:10] + (~ones(ip) & 0xFFFF).to_bytes(2, "big") + ip[12:]
            self.frame = head + b"\x08\0" + ip + body + padding
        else:
            source, destination = b"\xfe\x80" + bytes(13) + b"\1", b"\xfe\x80" + bytes(13) + b"\2"
            body = transport(protocol, source, destination, body) if not fragment else body
            following = protocol if first is None else first
            ip = struct.pack(">IHBB16s16s", 6 << 28, len(between) + len(body), following, 64, source, destination)
            self.frame = head + b"\x86\xdd" + ip + between + body + padding
        self.ip = 14 + 4 * tags
        self.transport = self.ip + (20 if version == 4 else 40) + len(between)
        self.length = len(body)

    def blanked(self, protocol: int) -> bytes:
        """The frame with rubbish where its checksums belong."""
        at = self.transport + (16 if protocol == TCP else 6)
        frame = self.frame[:at] + b"\xbe\xef" + self.frame[at + 2 :]
        four = frame[self.ip] >> 4 == 4
        return frame[: self.ip + 10] + b"\xde\xad" + frame[self.ip + 12 :] if four else frame


HOP_BY_HOP = bytes((TCP, 0)) + bytes(6)
DESTINATION_OF_16 = bytes((TCP, 1)) + bytes(14)


def random_frames(count: int, seed: int = 1) -> list[tuple[Builder, int]]:
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        protocol, version = chance.choice((TCP, UDP)), chance.choice((4, 6))
        data = chance.randbytes(chance.choice((0, 1, 2, 3, chance.randrange(1460))))
        body = tcp(data, options=chance.choice((b"", b"\1" * 12))) if protocol == TCP else udp(data)
        between = chance.choice((b"", b"\1" * 8)) if version == 4 else b""
        padding = bytes(chance.choice((0, 0, 7)))
        tags = chance.choice((0, 1, 2))
        made.append((Builder(version, protocol, body, tags=tags, between=between, padding=padding), protocol))
    return made


# The tests


def test_checksums_are_right_whatever_the_frame(frames: Frames) -> None:
    made = random_frames(300)
    answers = frames.ask(*(f"fill {builder.blanked(protocol).hex()}" for builder, protocol in made))
    assert answers == [builder.frame.hex() for builder, _ in made]


def test_a_checksum_over_parts_of_odd_lengths_is_that_of_the_whole(frames: Frames) -> None:
    chance = random.Random(2)
    made = [(builder, protocol) for builder, protocol in random_frames(200, 3) if len(builder.frame) > 200]
    commands = []
    for builder, protocol in made:
        cuts = " ".join(str(chance.randrange(1, 99)) for _ in range(chance.randrange(6)))
        commands.append(f"parts {chance.randrange(150, 180)} {cuts} {builder.blanked(protocol).hex()}")
    assert frames.ask(*commands) == [builder.frame.hex() for builder, _ in made]


def test_a_udp_checksum_that_comes_out_as_zero_is_sent_as_ffff(frames: Frames) -> None:
    plain = Builder(4, UDP, udp(b"\0\0"))
    data = plain.frame[plain.transport + 6 : plain.transport + 8]
    made = Builder(4, UDP, udp(data))
    assert made.frame[made.transport + 6 : made.transport + 8] == b"\xff\xff"
    assert frames.ask(f"fill {made.blanked(UDP).hex()}") == [made.frame.hex()]


@pytest.mark.parametrize("tags", [0, 1, 2])
@pytest.mark.parametrize(("version", "between", "first"), [
    (4, b"", None), (4, b"\1" * 40, None), (6, b"", None), (6, HOP_BY_HOP, 0), (6, DESTINATION_OF_16, 60),
    (6, bytes((60, 0)) + bytes(6) + DESTINATION_OF_16, 0),
])  # fmt: skip
def test_headers_are_found(frames: Frames, tags: int, version: int, between: bytes, first: int | None) -> None:
    made = Builder(version, TCP, tcp(b"data", options=b"\1" * 4), tags=tags, between=between, first=first)
    expected = f"{version} {made.ip} {made.transport} {made.length} {made.transport + 24} {TCP}"
    assert frames.ask(f"parse 0 {len(made.frame)} {made.frame.hex()}") == [expected]


@pytest.mark.parametrize("fragment", [0x2000, 0x2001, 0x0001, 0x1FFF])
def test_a_fragment_has_no_checksum_to_be_made(frames: Frames, fragment: int) -> None:
    made = Builder(4, UDP, udp(b"some data"), fragment=fragment)
    assert frames.ask(f"parse 0 {len(made.frame)} {made.frame.hex()}")[0].split()[2] == "0"
    assert frames.ask(f"fill {made.frame.hex()}") == [made.frame.hex()]


@pytest.mark.parametrize(("first", "between"), [
    (44, bytes((TCP, 0, 0, 1)) + bytes(4)),  # a fragment
    (43, bytes((TCP, 2, 0, 1)) + bytes(20)),  # a route that is not at its end: another address counts
    (50, bytes(8)), (59, b""),  # encrypted; nothing follows
])  # fmt: skip
def test_ipv6_extensions_that_leave_no_checksum(frames: Frames, first: int, between: bytes) -> None:
    made = Builder(6, TCP, tcp(b"data"), between=between, first=first)
    assert frames.ask(f"parse 0 {len(made.frame)} {made.frame.hex()}")[0].split()[2] == "0"


def test_a_route_at_its_end_is_passed(frames: Frames) -> None:
    made = Builder(6, TCP, tcp(b"data"), between=bytes((TCP, 2, 0, 0)) + bytes(20), first=43)
    assert frames.ask(f"parse 0 {len(made.frame)} {made.frame.hex()}")[0].split()[2] == str(made.transport)


def test_lengths_that_lie_are_not_believed(frames: Frames) -> None:
    """Each byte of the headers takes every value; no access is outside of what is there (see frame.c)."""
    chance = random.Random(4)
    commands = []
    for version in (4, 6):
        made = Builder(version, TCP, tcp(b"x" * 20), tags=1)
        for at in range(12, made.transport + 20):
            for value in chance.sample(range(256), 24):
                frame = made.frame[:at] + bytes((value,)) + made.frame[at + 1 :]
                commands.append(f"parse 0 {chance.randrange(len(frame) + 1)} {frame.hex()}")
    for answer in frames.ask(*commands):
        found, ip, start, length, payload, _ = (int(word) for word in answer.split())
        assert not start or (found and ip < start < payload <= start + length <= 110)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("mss", [536, 1000, 1460])
@pytest.mark.parametrize("size", [1, 1460, 1461, 5000, 40001])
def test_segments_are_packets_of_their_own(frames: Frames, version: int, mss: int, size: int) -> None:
    data = random.Random(size).randbytes(size)
    sequence, flags = 0xFFFFF000, 0x80 | 0x08 | 0x01 | 0x10
    large = Builder(version, TCP, tcp(data, sequence, flags, b"\1" * 12), tags=1)
    starts = range(0, size, mss)
    expected = []
    for number, start in enumerate(starts):
        kept = flags & ~(0 if start == 0 else 0x80) & ~(0 if start + mss >= size else 0x09)
        body = tcp(data[start : start + mss], (sequence + start) & 0xFFFFFFFF, kept, b"\1" * 12)
        expected.append(Builder(version, TCP, body, tags=1, identification=9 + number).frame.hex())
    at = large.ip + (2 if version == 4 else 4)
    without_length = large.frame[:at] + b"\0\0" + large.frame[at + 2 :]
    assert frames.ask(f"segments {mss} {without_length.hex()}")[0].split() == expected


def test_a_wrong_ip_checksum_is_seen(frames: Frames) -> None:
    made = Builder(4, UDP, udp(b"data"))
    wrong = made.frame[:22] + bytes((made.frame[22] ^ 1,)) + made.frame[23:]
    assert frames.ask(f"check {made.frame.hex()}", f"check {wrong.hex()}") == ["1", "0"]


DIRECTED, MULTICAST, ALL_MULTICAST, BROADCAST, PROMISCUOUS = 1, 2, 4, 8, 32
GROUP, OTHER_GROUP, EVERYONE = bytes.fromhex("01005e000001"), bytes.fromhex("01005e000002"), b"\xff" * 6


@pytest.mark.parametrize(("want", "passes"), [
    (0, set()), (DIRECTED, {OURS}), (MULTICAST, {GROUP}), (ALL_MULTICAST, {GROUP, OTHER_GROUP}),
    (BROADCAST, {EVERYONE}), (DIRECTED | BROADCAST, {OURS, EVERYONE}),
    (PROMISCUOUS, {OURS, THEIRS, GROUP, OTHER_GROUP, EVERYONE}),
])  # fmt: skip
def test_what_passes_the_filter(frames: Frames, want: int, passes: set[bytes]) -> None:
    every = [OURS, THEIRS, GROUP, OTHER_GROUP, EVERYONE]
    answers = frames.ask(*(f"filter {want} {OURS.hex()} {GROUP.hex()} {each.hex()}" for each in every))
    assert {each for each, answer in zip(every, answers, strict=True) if answer.startswith("1")} == passes
    assert [answer.split()[1] for answer in answers] == ["0", "0", "1", "1", "2"]


# A change as somebody might make it by mistake: the file, what it says, what it would say, and the test that notices.
MUTANTS = [
    ("checksum.c", "sum->odd ? exchanged(part) : part", "part", "parts"),
    ("checksum.c", "length & 1 ? exchanged(after) : after", "after", "parts"),
    ("checksum.c", "sum == 0 && ", "sum == 1 && ", "zero"),
    ("headers.c", "view->end = at + length;\n    if", "if", "whole"),
    ("headers.c", "type == TYPE_TAG || type == TYPE_SERVICE_TAG", "type == 0", "whole"),
]
NOTICES = {
    "parts": test_a_checksum_over_parts_of_odd_lengths_is_that_of_the_whole,
    "zero": test_a_udp_checksum_that_comes_out_as_zero_is_sent_as_ffff,
    "whole": test_checksums_are_right_whatever_the_frame,
}


@pytest.mark.parametrize("mutant", MUTANTS, ids=[f"{file}-{number}" for number, (file, *_) in enumerate(MUTANTS)])
def test_mistakes_do_not_pass(tmp_path: Path, mutant: tuple[str, str, str, str]) -> None:
    file, right, wrong, notices = mutant
    text = (XENNET / file).read_text()
    assert text.count(right) == 1
    sources = []
    for name in SOURCES:
        changed = tmp_path / name
        changed.write_text(text.replace(right, wrong) if name == file else (XENNET / name).read_text())
        sources.append(changed)
    with pytest.raises(AssertionError):
        NOTICES[notices](compile_frames(tmp_path / "frames", sources))
