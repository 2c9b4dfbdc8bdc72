"""What `ermlab dashboard DIR` does: serves Optuna's dashboard on this machine until Ctrl-C."""

import errno
import logging
import socketserver
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from ermlab.errors import ConfigError
from ermlab.sweep.found_study import FoundStudy, find_study

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

HOST = "127.0.0.1"  # the dashboard has no password, so no other machine may reach it


def dashboard_command(path: Path, *, port: int) -> None:
    """Serve the dashboard of a sweep's study.

    Args:
        path: the folder of a sweep, or a file of an Optuna study.
        port: on this machine; 0 for a free one.

    Raises:
        ConfigError: the package is not installed, or the port is taken.
        RunDirError: there is no study.
    """
    if find_spec("optuna_dashboard") is None:
        raise ConfigError(
            "the dashboard needs the package optuna-dashboard, which is not installed",
            where="ermlab dashboard",
            fix="install it: pip install 'ermlab[dashboard]'",
        )
    logging.getLogger("optuna").setLevel(logging.WARNING)
    found = find_study(path)
    with _serve(make_app(found), port) as server:
        sys.stdout.write(f"study: {found.told}\n")
        sys.stdout.write(f"dashboard: http://{HOST}:{server.server_port}/ (Ctrl-C ends it)\n")
        sys.stdout.flush()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            sys.stdout.write("\nthe dashboard has ended; the sweep is not touched by that\n")


def make_app(found: FoundStudy) -> "WSGIApplication":
    """Make the web application: it only shows, and is up to date at each request."""
    from optuna_dashboard import wsgi

    dashboard = wsgi(found.storage)

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            # A study that is deleted or renamed by a click would be lost to its sweep.
            start_response("405 Method Not Allowed", [("Content-Type", "application/json")])
            return [b'{"reason": "ermlab dashboard only shows the study"}']
        if environ.get("PATH_INFO", "").startswith("/api"):
            found.refresh()
        shown: Iterable[bytes] = dashboard(environ, start_response)
        return shown

    return app


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Keep each request out of the terminal."""


def _serve(app: "WSGIApplication", port: int) -> WSGIServer:
    try:
        return make_server(HOST, port, app, server_class=_Server, handler_class=_Handler)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise ConfigError(
            f"port {port} cannot be used: {error.strerror}",
            where="--port",
            fix="choose another one, or --port 0 for any that is free",
        ) from error
