"""Asks for answers with and without gzip; every surprise is an exception.

Usage: use_gzip.py TAP_URL
"""

import http.client
import sys
import urllib.parse
import zlib

ALL = "SELECT * FROM opengc"


def ask(url, accept, resource="sync", method="GET", **parameters):
    """Status, headers and body as they came through the wire."""
    address = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(address.netloc, timeout=60)
    headers = {} if accept is None else {"Accept-Encoding": accept}
    query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
    connection.putrequest(method, f"{address.path}/{resource}{query}", skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    return response, response.read()


def unzipped(body):
    """The content, which is one member and nothing after it."""
    member = zlib.decompressobj(wbits=31)
    content = member.decompress(body) + member.flush()
    assert member.eof and member.unused_data == b"", (member.eof, len(member.unused_data))
    return content


def main(url):
    for name in ("votable", "votable/b", "votable/td", "csv", "tsv", "text"):
        query = {"LANG": "ADQL", "QUERY": ALL + " ORDER BY name, ra", "RESPONSEFORMAT": name}
        plain, right = ask(url, None, **query)
        assert plain.status == 200 and plain.getheader("Content-Encoding") is None, plain.headers
        assert plain.getheader("Vary", "").find("Accept-Encoding") >= 0, plain.headers
        for accept in ("gzip", "gzip, deflate", "deflate;q=0.5, GZIP;q=0.8", "*", "br, x-gzip"):
            zipped, body = ask(url, accept, **query)
            assert zipped.getheader("Content-Encoding") == "gzip", (accept, zipped.headers)
            assert "Accept-Encoding" in zipped.getheader("Vary"), zipped.headers
            assert zipped.getheader("Content-Length") is None, zipped.headers
            assert zipped.getheader("Content-Type") == plain.getheader("Content-Type")
            assert len(body) < 0.9 * len(right), (name, len(body), len(right))
            assert unzipped(body) == right, (name, accept)
        for accept in ("", "identity", "gzip;q=0", "gzip; q=0.0, *", "*;q=0", "br"):
            other, body = ask(url, accept, **query)
            assert other.getheader("Content-Encoding") is None, (accept, other.headers)
            assert body == right, (name, accept)
    parquet, body = ask(url, "gzip", LANG="ADQL", QUERY=ALL, RESPONSEFORMAT="parquet")
    assert parquet.getheader("Content-Encoding") is None and body[:4] == body[-4:] == b"PAR1", parquet.headers
    _, right = ask(url, None, "capabilities")
    zipped, body = ask(url, "gzip", "capabilities")
    assert zipped.getheader("Content-Encoding") == "gzip" and unzipped(body) == right, zipped.headers
    head, body = ask(url, "gzip", "capabilities", "HEAD")
    assert head.status == 200 and body == b"", (head.status, body)
    error, body = ask(url, "gzip", LANG="ADQL", QUERY="SELECT nothing FROM opengc")
    assert error.status == 400 and b"nothing" in (unzipped(body) if error.getheader("Content-Encoding") else body)


if __name__ == "__main__":
    main(*sys.argv[1:])
