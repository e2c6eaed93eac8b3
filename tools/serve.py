"""Serve a folder of pages on this computer only: on port 8000, or on a free one when that is taken.

python tools/serve.py _build/html
"""

import functools
import http.server
import sys


def server(folder: str, ports: tuple[int, ...] = (8000, 0)) -> http.server.ThreadingHTTPServer:
    """A server on the first port that can be had; 0 stands for any free one. Quiet: requests are not logged."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=folder)
    for port in ports[:-1]:
        try:
            return http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
        except OSError:
            continue
    return http.server.ThreadingHTTPServer(("127.0.0.1", ports[-1]), handler)


if __name__ == "__main__":
    http.server.ThreadingHTTPServer.allow_reuse_address = True
    with server(sys.argv[1]) as site:
        print(f"The book: http://127.0.0.1:{site.server_port}/   (stop with Ctrl-C)", flush=True)
        try:
            site.serve_forever()
        except KeyboardInterrupt:
            print()
