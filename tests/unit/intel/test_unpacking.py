"""Files as lines: packed ones, event logs, Zeek's own logs, documents; and those that mean ill."""

import bz2
import codecs
import gzip
import io
import json
import lzma
import tarfile
import zipfile

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.core import BatchId, InvalidInput, LimitExceeded, TenantId, derive_id
from phalanx.intel import BadLine, check_reader, read_chunk, read_lines
from phalanx.intel.reading import reader_for, tsv_reader, unpack

pytestmark = pytest.mark.requirement("INT-1")
NOW_NS = 1_772_440_200_000_000_000
BATCH = BatchId(derive_id(NOW_NS, "b"))
LINES = [b'{"EventID":%d,"Channel":"Security"}' % number for number in range(500)]
TEXT = b"\n".join(LINES) + b"\n"


def lines_of(data, name="log"):
    return [(part.kind, [line for lines in part.lines for line in lines]) for part in unpack(io.BytesIO(data), name)]


def tarred(**files):
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return target.getvalue()


def zipped(**files):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target.getvalue()


PACKED = {
    "plain": TEXT, "gzip": gzip.compress(TEXT), "bzip2": bz2.compress(TEXT), "xz": lzma.compress(TEXT),
    "tar": tarred(log=TEXT), "tar.gz": gzip.compress(tarred(log=TEXT)), "zip": zipped(log=TEXT),
    "gz in zip": zipped(log=gzip.compress(TEXT)), "two members": gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:]),
    "zstd": zstandard.compress(TEXT), "two frames": zstandard.compress(TEXT[:100]) + zstandard.compress(TEXT[100:]),
    "zstd and garbage": zstandard.compress(TEXT) + b"\n", "tar.zst": zstandard.compress(tarred(log=TEXT)),
    "garbage behind": gzip.compress(TEXT) + b"\n", "windows": TEXT.replace(b"\n", b"\r\n"),
    "utf-16": codecs.BOM_UTF16_LE + TEXT.decode().encode("utf-16-le"), "bom": codecs.BOM_UTF8 + TEXT,
    "document": b"[" + b",\n".join(LINES) + b"]", "records": b' {"Records": [' + b",".join(LINES) + b"]}",
}  # fmt: skip


@pytest.mark.parametrize("how", PACKED)
def test_however_it_is_packed_the_lines_are_the_same(how):
    ((_, lines),) = lines_of(PACKED[how])
    assert lines == LINES


def test_records_over_several_lines_are_one_line_each():
    document = json.dumps([{"EventID": 1, "a": {"b": [1, 2]}}, {"EventID": 2}], indent=2).encode()
    assert lines_of(document) == [("document", [b'{"EventID":1,"a":{"b":[1,2]}}', b'{"EventID":2}'])]


def test_what_only_looks_like_a_document_is_judged_by_its_lines():
    assert lines_of(b"[{broken\nlast") == [("document", [b"[{broken", b"last"])]


def test_every_log_of_an_archive_is_a_part_with_its_name():
    parts = [part.name for part in unpack(io.BytesIO(zipped(a=b"1\n", b=gzip.compress(b"2\n"))), "x.zip")]
    assert parts == ["x.zip/a", "x.zip/b"]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"\xd4\xc3\xb2\xa1" + bytes(40), "packet capture"),
        (b"\x28\xb5\x2f\xfd" + b"\xff" * 40, "damaged"),
        (zstandard.compress(TEXT)[:-20], "damaged"),
        (gzip.compress(gzip.compress(gzip.compress(gzip.compress(gzip.compress(TEXT))))), "more than 3 times"),
        (gzip.compress(TEXT)[:-20], "damaged"),
        (lzma.compress(TEXT)[:-20], "damaged"),
        (bz2.compress(TEXT)[:-20], "damaged"),
        (b"PK\x03\x04" + bytes(100), "damaged"),
        (b"\x1f\x8b" + b"\xff" * 50, "damaged"),
    ],
)
def test_what_is_no_log_or_damaged_is_refused_with_a_reason(data, told):
    with pytest.raises(BadLine, match=told):
        lines_of(data)


def test_a_member_that_is_no_log_is_told_of_and_the_next_is_read():
    archive = zipped(
        a=b"\xd4\xc3\xb2\xa1" + bytes(40), b=zipped(log=TEXT), c=gzip.compress(TEXT)[:-20], d=TEXT,
    )  # fmt: skip
    parts = dict(zip("abcd", lines_of(archive, "x.zip"), strict=True))
    assert [parts[name][0] for name in "abcd"] == ["refused", "refused", "lines", "lines"]
    assert parts["a"][1] == [b"phalanx unread: x.zip/a is a packet capture; it begins: "]
    assert b"a zip archive within another" in parts["b"][1][0]
    assert parts["c"][1][-1].startswith(b"phalanx unread: x.zip/c is damaged")
    assert parts["d"][1] == LINES
    assert lines_of(tarred(a=b"\xd4\xc3\xb2\xa1" + bytes(40), b=TEXT))[1] == ("lines", LINES)


def test_an_encrypted_member_is_told_of():
    archive = bytearray(zipped(a=TEXT, b=TEXT))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        archive[archive.index(mark) + at] |= 1
    (refused, (told,)), (kind, lines) = lines_of(bytes(archive))
    assert (refused, kind, lines) == ("refused", "lines", LINES)
    assert b"is encrypted" in told


@pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lzma.compress, zstandard.compress, lambda data: zipped(log=data)]
)
def test_a_bomb_is_stopped_with_little_held(pack, monkeypatch):
    monkeypatch.setattr("phalanx.intel.reading._decompressing.MIN_BOMB_BYTES", 1 << 20)
    bomb = pack(b"x\n" * 4_000_000)
    assert len(bomb) < 20_000
    with pytest.raises(LimitExceeded, match="bytes unpacked"):
        lines_of(bomb)


def test_an_xz_dictionary_of_its_own_choosing_is_refused():
    hungry = lzma.compress(TEXT, filters=[{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 29}])
    with pytest.raises(BadLine, match="damaged"):
        lines_of(hungry)


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"\x1f\x8b\x08\0", b"BZh9", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"]),
)
@settings(max_examples=150, deadline=None)
def test_garbage_is_lines_or_refused(data, begins):
    try:
        parts = lines_of(begins + data)
    except (BadLine, LimitExceeded):
        return
    assert all(line.strip() and b"\n" not in line for _, lines in parts for line in lines)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_packed_files_with_wrong_bytes_do_no_harm(data):
    whole = bytearray(data.draw(st.sampled_from([PACKED[how] for how in ("gzip", "bzip2", "xz", "zip", "tar.gz")])))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        lines_of(bytes(whole))
    except (BadLine, LimitExceeded):
        return


class Pipe:
    """A file that cannot be gone back in, made as it is read."""

    def __init__(self, pieces):
        self.pieces = iter(pieces)
        self.left = b""

    def seekable(self):
        return False

    def read(self, n):
        piece = self.left or next(self.pieces, b"")
        self.left = piece[n:]
        return piece[:n]


def test_a_line_of_100_mb_is_told_of_and_not_held():
    pieces = [LINES[0] + b"\n", *([b"x" * 10_000] * 10_000), b"\n" + LINES[1]]
    (part,) = list(unpack(Pipe(pieces), "x"))
    first, told, last = [line for lines in part.lines for line in lines]
    assert (first, last) == (LINES[0], LINES[1])
    assert told.startswith(b"phalanx unread: 100000000 bytes, longer than")
    assert len(told) < 2_000


ZEEK = (
    b"#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n#open\t2026-03-02\n"
    b"#fields\tts\tuid\tid.orig_h\tid.orig_p\tduration\tlocal_orig\tconn_state\ttunnel_parents\tnote\n"
    b"#types\ttime\tstring\taddr\tport\tinterval\tbool\tstring\tset[string]\tstring\n"
)
ROWS = [
    b"1772440140.250000\tC1\t10.0.0.1\t1234\t0.5\tT\tSF\tA,B\twith\\x09tab \\xc3\\xa9",
    b"1772440141.000000\tC2\t10.0.0.2\t1235\t-\tF\tS0\t(empty)\t-",
]


def read(data, reader):
    return read_chunk(data, reader=reader, tenant=TenantId("t"), batch=BATCH, accepted_at_ns=NOW_NS)


def test_a_zeek_log_is_read_by_its_header_also_in_later_chunks():
    reader = reader_for(ZEEK + ROWS[0], "auto")
    check_reader(reader)
    whole = read(ZEEK + b"\n".join(ROWS) + b"\n#close\t2026-03-02\n", reader)
    assert (whole.events, whole.skipped, whole.rejected) == (2, 9, ())
    (batch,) = whole.batches
    assert (batch.reader, str(batch.log_source)) == ("zeek", "zeek/firewall/conn")
    first, second = ({name: column[row] for name, column in batch.columns.items()} for row in (0, 1))
    assert first == {
        "_path": "conn", "ts": 1772440140.25, "uid": "C1", "id.orig_h": "10.0.0.1", "id.orig_p": 1234, "duration": 0.5,
        "local_orig": True, "conn_state": "SF", "tunnel_parents": '["A","B"]', "note": "with\ttab é",
    }  # fmt: skip
    assert (second["duration"], second["tunnel_parents"], second["note"]) == (None, "[]", None)
    assert batch.times_ns == [1_772_440_140_250_000_000, 1_772_440_141_000_000_000]
    later = read(ROWS[1], reader)
    assert later.events == 1


@pytest.mark.parametrize(
    ("row", "told"),
    [(b"1\t2", "2 values where the header names 9"), (ROWS[0].replace(b"1234", b"x"), "no port")],
)
def test_rows_that_do_not_fit_the_header_are_rejected(row, told):
    out = read(row, reader_for(ZEEK, "auto"))
    assert told in out.rejected[0].reason


def test_a_chunk_with_two_headers_that_differ_is_not_guessed_at():
    assert reader_for(ZEEK + ZEEK.replace(b"\tnote\n", b"\tnotice\n"), "auto") == "auto"
    assert reader_for(ZEEK + ROWS[0] + b"\n" + ZEEK, "auto").startswith("zeek-tsv;conn;")
    assert reader_for(ZEEK, "syslog") == "syslog"


@pytest.mark.parametrize(
    "reader", ["zeek-tsv;", "zeek-tsv;a;b;c;d;e", "zeek-tsv;p;x09;2c;;;a b:string", "zeek-tsv;" * 900]
)
def test_readers_that_tell_no_header_are_refused(reader):
    with pytest.raises(InvalidInput):
        check_reader(reader)


@given(st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_header_and_any_row(data):
    reader = tsv_reader(b"#separator " + data)
    if reader:
        check_reader(reader)
    lines = [line for line in data.split(b"\n") if line.strip()] or [b"x"]
    out = read_lines(lines, reader=reader_for(ZEEK, "auto"), tenant=TenantId("t"), batch=BATCH, accepted_at_ns=NOW_NS)
    assert out.events + len(out.rejected) + out.skipped == len(lines)
