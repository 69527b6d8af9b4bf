"""Signing in as a browser does: the form, its token, and the cookies that come of it."""

from __future__ import annotations

import re
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlencode

TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


def sign_in(host: str, port: int, username: str, password: str) -> dict[str, str]:
    """The cookies of a session.

    Raises:
        SystemExit: the server did not let them in.
    """
    connection = HTTPConnection(host, port, timeout=30)
    cookies: dict[str, str] = {}
    connection.request("GET", "/login/")
    page = _taken(connection.getresponse(), cookies)
    token = TOKEN.search(page)
    form = {"username": username, "password": password, "csrfmiddlewaretoken": token[1] if token else ""}
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": _header(cookies)}
    connection.request("POST", "/login/", urlencode(form), headers)
    page = _taken(connection.getresponse(), cookies)
    connection.close()
    if "sessionid" not in cookies:
        raise SystemExit(f"{username} could not sign in: {page[:300]}")
    return cookies


def _taken(response: HTTPResponse, cookies: dict[str, str]) -> str:
    """Keep the cookies that came along; the page."""
    for line in response.headers.get_all("Set-Cookie") or []:
        name, _, rest = line.partition("=")
        cookies[name] = rest.partition(";")[0]
    return response.read().decode()


def _header(cookies: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in cookies.items())
