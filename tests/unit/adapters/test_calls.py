"""Calls against a real server: what is answered, and what a bad server can do."""

import asyncio
import contextlib
import http.server
import ssl
import threading

import pytest

from phalanx.adapters import HttpCalls
from phalanx.adapters.tls import self_signed_files
from phalanx.core import InvalidInput, LimitExceeded, Unavailable


@contextlib.contextmanager
def serving(respond, tls=None):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with contextlib.suppress(ConnectionError):
                respond(self, body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http{'' if tls is None else 's'}://127.0.0.1:{server.server_port}/x"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def post(url, body=b"asked", *, max_bytes=1_000, within_s=5.0, ca=None):
    async def main():
        with contextlib.closing(HttpCalls(ca)) as calls:
            return await calls.post(url, body, content_type="text/plain", max_bytes=max_bytes, within_s=within_s)

    return asyncio.run(main())


def reply(status, headers, content):
    def respond(handler, body):
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)

    return respond


def test_a_node_with_a_certificate_of_its_own_is_believed_when_it_was_handed_over(tmp_path):
    tls = self_signed_files(tmp_path / "keys", ["127.0.0.1"])
    with serving(reply(200, {}, b"cosigned"), tls) as url:
        assert post(url, ca=tls[0]).body == b"cosigned"
        with pytest.raises(Unavailable, match="certificate"):
            post(url)
        with pytest.raises(Unavailable, match="certificate"):
            post(url, ca=self_signed_files(tmp_path / "other", ["127.0.0.1"])[0])
    for wrong in (tmp_path / "nowhere", tls[1]):
        with pytest.raises(InvalidInput, match=r"ledger\.peer_ca"):
            HttpCalls(wrong)


def test_an_answer_comes_back_whatever_its_status():
    with serving(reply(409, {"Content-Type": "text/x.tlog.size"}, b"7\n")) as url:
        answer = post(url)
    assert (answer.status, answer.content_type, answer.body) == (409, "text/x.tlog.size", b"7\n")


def test_the_body_and_its_type_arrive():
    seen = []

    def respond(handler, body):
        seen.append((body, handler.headers["Content-Type"], handler.path))
        reply(200, {}, b"")(handler, body)

    with serving(respond) as url:
        assert post(url, b"a body").body == b""
    assert seen == [(b"a body", "text/plain", "/x")]


def test_a_redirect_is_not_followed():
    with serving(reply(302, {"Location": "http://127.0.0.1:9/elsewhere"}, b"")) as url:
        assert post(url).status == 302


def test_an_answer_that_is_too_long_is_not_read_to_its_end():
    with serving(reply(200, {}, b"x" * 100_000)) as url, pytest.raises(LimitExceeded):
        post(url, max_bytes=1_000)


def test_an_answer_that_never_ends_is_given_up():
    stop = threading.Event()

    def respond(handler, body):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        while not stop.wait(0.02):
            handler.wfile.write(b"x")
            handler.wfile.flush()

    with serving(respond) as url:
        try:
            with pytest.raises(Unavailable, match="too slowly"):
                post(url, within_s=0.2)
        finally:
            stop.set()


def test_nobody_there_is_unavailable():
    with pytest.raises(Unavailable):
        post("http://127.0.0.1:9/x")
