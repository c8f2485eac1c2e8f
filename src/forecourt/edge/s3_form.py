"""A form that a browser posts to a bucket, as the PutObject that it means; and that call's answer as the form's.

Nothing after the file counts, as with S3. https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.message import Message
from urllib.parse import quote, urlencode, urlsplit
from xml.sax.saxutils import escape

import msgspec

from forecourt import wire
from forecourt.base.errors import RemoteError
from forecourt.base.headers import Headers

# The fields that are headers of PutObject under the same name, beside `x-amz-…`.
_HEADERS = ("cache-control", "content-type", "content-disposition", "content-encoding", "expires")
_OF_THE_FORM = ("x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature", "x-amz-security-token")
_SCOPE = b"AWS4-HMAC-SHA256 Credential=form/20000101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
_MAX_FIELDS = 1000

# In whose words a form is refused that says too little for a PutObject.
TARGET = wire.Target(service="s3", operation="PutObject", protocol="rest-xml", region="us-east-1")


class Form(msgspec.Struct, frozen=True):
    """`fields` by their names in lower case."""

    bucket: str
    key: str
    fields: Mapping[str, str]
    file: bytes

    @property
    def request(self) -> wire.HttpRequest:
        """The PutObject, with a scope by which its service is found."""
        headers: Headers = [(b"host", b"s3.us-east-1.amazonaws.com"), (b"authorization", _SCOPE)]
        for name, value in self.fields.items():
            if name in _HEADERS or (name.startswith("x-amz-") and name not in _OF_THE_FORM):
                headers.append((name.encode("latin-1", "replace"), _one_line(value)))
        if "acl" in self.fields:
            headers.append((b"x-amz-acl", _one_line(self.fields["acl"])))
        path = f"/{quote(self.bucket, safe='')}/{quote(self.key, safe='/~')}"
        return wire.HttpRequest("PUT", path.encode(), b"", headers, self.file)

    def answer(self, response: wire.HttpResponse, public_url: str) -> wire.HttpResponse:
        if response.status >= 300:
            return response
        etag = next((value.decode("latin-1") for name, value in response.headers if name == b"etag"), "")
        location = f"{public_url}/{quote(self.bucket, safe='')}/{quote(self.key, safe='')}"
        headers: Headers = [(b"etag", etag.encode("latin-1")), (b"location", location.encode())]
        redirect = self.fields.get("success_action_redirect") or self.fields.get("redirect")
        if redirect and urlsplit(redirect).scheme in ("http", "https"):
            query = urlencode({"bucket": self.bucket, "key": self.key, "etag": etag})
            target = f"{redirect}{'&' if urlsplit(redirect).query else '?'}{query}"
            return wire.HttpResponse(303, [(b"etag", etag.encode("latin-1")), (b"location", _one_line(target))], b"")
        status = self.fields.get("success_action_status")
        if status != "201":
            return wire.HttpResponse(200 if status == "200" else 204, headers, b"")
        named = (("Location", location), ("Bucket", self.bucket), ("Key", self.key), ("ETag", etag))
        said = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in named)
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse>{said}</PostResponse>'
        return wire.HttpResponse(201, [*headers, (b"content-type", b"application/xml")], body.encode())


def is_form(method: str, headers: Headers) -> bool:
    return method == "POST" and any(
        name == b"content-type" and value.lower().startswith(b"multipart/form-data") for name, value in headers
    )


def read(request: wire.HttpRequest) -> Form:
    """Raises `RemoteError` in S3's words."""
    fields: dict[str, str] = {}
    for name, filename, content in _parts(request):
        if name == "file":
            key = fields.get("key")
            if not key:
                raise RemoteError("InvalidArgument", "Bucket POST must contain a field named 'key'.  If it is "
                                  "specified, please check the order of the fields.")  # fmt: skip
            return Form(_bucket(request), key.replace("${filename}", filename), _expanded(fields, filename), content)
        if name in fields:
            raise RemoteError("InvalidArgument", f"POST requires exactly one field named '{name}'.")
        fields[name] = content.decode("utf-8", "replace")
    raise RemoteError("InvalidArgument", "POST requires exactly one file upload per request.")


def _expanded(fields: dict[str, str], filename: str) -> dict[str, str]:
    return {**fields, "key": fields["key"].replace("${filename}", filename)}


def _bucket(request: wire.HttpRequest) -> str:
    """From the host, or from the path."""
    labels = request.header(b"host").rsplit(":", 1)[0].split(".")
    if "s3" in labels[1:]:
        return ".".join(labels[: labels.index("s3", 1)])
    bucket, _, rest = request.raw_path.decode("latin-1").strip("/").partition("/")
    if not bucket or rest:
        raise RemoteError("MethodNotAllowed", "The specified method is not allowed against this resource.", 405)
    return bucket


def _parts(request: wire.HttpRequest) -> list[tuple[str, str, bytes]]:
    """Name in lower case, file name and content of each part, up to the file."""
    boundary = _parameter(request.header(b"content-type"), "boundary")
    pieces = (b"\r\n" + request.body).split(b"\r\n--" + boundary.encode("latin-1", "replace")) if boundary else []
    found: list[tuple[str, str, bytes]] = []
    for piece in pieces[1:-1]:
        head, gap, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        disposition = re.search(rb"(?im)^content-disposition:(.*)$", head)
        if not gap or disposition is None:
            raise _malformed()
        text = disposition[1].decode("utf-8", "replace").strip()
        name = _parameter(text, "name").lower()
        found.append((name, _parameter(text, "filename"), content))
        if name == "file" or len(found) > _MAX_FIELDS:
            break
    if not found:
        raise _malformed()
    return found


def _malformed() -> RemoteError:
    return RemoteError("MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data.")


def _parameter(header: str, name: str) -> str:
    message = Message()
    message["content-type"] = header.replace("\r", " ").replace("\n", " ")
    found = message.get_param(name)
    return found if isinstance(found, str) else ""


def _one_line(value: str) -> bytes:
    return value.encode("utf-8").replace(b"\r", b" ").replace(b"\n", b" ")
