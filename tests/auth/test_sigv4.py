"""SigV4 as AWS publishes it, as botocore signs it, and as it must not pass."""

from __future__ import annotations

import contextlib
import time
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from forecourt.auth import aws_chunked, sigv4
from forecourt.auth.sigv4 import Reason, Refused, SignedRequest

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
CREDENTIALS = Credentials(KEY, SECRET)
MAY_24_2013 = sigv4.epoch("20130524T000000Z")


def verify(request: SignedRequest, secret: str = SECRET, now: float | None = None) -> sigv4.Signature:
    signature = sigv4.read_signature(request)
    assert signature is not None
    sigv4.verify(signature, request, secret, time.time() if now is None else now)
    return signature


def refused(request: SignedRequest, now: float | None = None) -> Refused:
    with pytest.raises(Refused) as caught:
        verify(request, now=now)
    return caught.value


def arrived(request: AWSRequest) -> SignedRequest:
    """What a server sees of a request that botocore signed."""
    prepared = request.prepare()
    url = urlsplit(prepared.url)
    headers = [
        (name.lower().encode(), value if isinstance(value, bytes) else str(value).encode())
        for name, value in prepared.headers.items()
    ]
    if not any(name == b"host" for name, _ in headers):
        headers.append((b"host", url.netloc.encode()))
    body = prepared.body or b""
    return SignedRequest(
        prepared.method,
        url.path.encode(),
        url.query.encode(),
        headers,
        body if isinstance(body, bytes) else body.encode(),
    )


# --- AWS's published examples -------------------------------------------------------------------------------------

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
S3_EXAMPLES = [
    (
        "GET",
        b"/test.txt",
        b"",
        b"",
        [("range", "bytes=0-9"), ("x-amz-content-sha256", EMPTY)],
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ),
    (
        "PUT",
        b"/test%24file.text",
        b"",
        b"Welcome to Amazon S3.",
        [
            ("date", "Fri, 24 May 2013 00:00:00 GMT"),
            ("x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ],
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    ),
    (
        "GET",
        b"/",
        b"lifecycle",
        b"",
        [("x-amz-content-sha256", EMPTY)],
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    ),
    (
        "GET",
        b"/",
        b"max-keys=2&prefix=J",
        b"",
        [("x-amz-content-sha256", EMPTY)],
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    ),
]


def example(
    method: str,
    path: bytes,
    query: bytes,
    body: bytes,
    extra: list[tuple[str, str]],
    signature: str,
    host: str = "examplebucket.s3.amazonaws.com",
    scope: str = "20130524/us-east-1/s3",
) -> SignedRequest:
    timestamp = "20130524T000000Z" if scope.startswith("2013") else "20150830T123600Z"
    headers = sorted([("host", host), ("x-amz-date", timestamp), *extra])
    names = ";".join(name for name, _ in headers)
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={KEY}/{scope}/aws4_request,SignedHeaders={names},Signature={signature}"
    )
    wire = [(name.encode(), value.encode()) for name, value in headers]
    return SignedRequest(method, path, query, [*wire, (b"authorization", authorization.encode())], body)


@pytest.mark.parametrize("given", S3_EXAMPLES, ids=["get", "put", "lifecycle", "list"])
def test_the_s3_examples_of_aws_verify(given: tuple[str, bytes, bytes, bytes, list[tuple[str, str]], str]) -> None:
    assert verify(example(*given), now=MAY_24_2013).service == "s3"


def test_the_general_example_of_aws_verifies() -> None:
    request = example(
        "GET",
        b"/",
        b"Action=ListUsers&Version=2010-05-08",
        b"",
        [("content-type", "application/x-www-form-urlencoded; charset=utf-8")],
        "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        "iam.amazonaws.com",
        "20150830/us-east-1/iam",
    )
    verify(request, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", sigv4.epoch("20150830T123600Z"))


def test_the_presigned_example_of_aws_verifies_until_it_expires() -> None:
    query = (
        b"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        b"&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        b"&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )
    request = SignedRequest("GET", b"/test.txt", query, [(b"host", b"examplebucket.s3.amazonaws.com")])
    verify(request, now=MAY_24_2013 + 86400)
    assert refused(request, MAY_24_2013 + 86401).reason is Reason.PRESIGNED_EXPIRED
    assert refused(request, MAY_24_2013 - 901).reason is Reason.SKEWED


CHUNKED = [
    ("content-encoding", "aws-chunked"),
    ("content-length", "66824"),
    ("x-amz-decoded-content-length", "66560"),
    ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
    ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
]
TRAILING = [
    ("content-encoding", "aws-chunked"),
    ("x-amz-decoded-content-length", "66560"),
    ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"),
    ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
    ("x-amz-trailer", "x-amz-checksum-crc32c"),
]


def chunks(*signatures: str, tail: bytes = b"\r\n") -> bytes:
    sizes = (65536, 1024, 0)
    framed = [
        f"{size:x};chunk-signature={signature}\r\n".encode() + b"a" * size + (b"\r\n" if size else b"")
        for size, signature in zip(sizes, signatures, strict=True)
    ]
    return b"".join(framed) + tail


CHUNK_SIGNATURES = (
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
)
TRAILED_SIGNATURES = (
    "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
)
TRAILER = (
    b"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:"
    b"d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
)


def chunked_example() -> tuple[sigv4.Signature, bytes]:
    body = chunks(*CHUNK_SIGNATURES)
    request = example(
        "PUT",
        b"/examplebucket/chunkObject.txt",
        b"",
        body,
        CHUNKED,
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        "s3.amazonaws.com",
    )
    return verify(request, now=MAY_24_2013), body


def test_the_chunked_example_of_aws_verifies_and_decodes() -> None:
    signature, body = chunked_example()
    assert aws_chunked.decode(signature, SECRET, body).body == b"a" * 66560


def test_the_trailer_example_of_aws_verifies_and_decodes() -> None:
    body = chunks(*TRAILED_SIGNATURES, tail=TRAILER)
    request = example(
        "PUT",
        b"/examplebucket/chunkObject.txt",
        b"",
        body,
        TRAILING,
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
        "s3.amazonaws.com",
    )
    signature = verify(request, now=MAY_24_2013)
    decoded = aws_chunked.decode(signature, SECRET, body)
    assert decoded.body == b"a" * 66560
    assert decoded.trailers == ((b"x-amz-checksum-crc32c", b"sOO8/Q=="),)
    for broken in (body.replace(b"sOO8", b"sOO9"), body.replace(b"d81f", b"d81e"), body[: -len(TRAILER)]):
        with pytest.raises(Refused):
            aws_chunked.decode(signature, SECRET, broken)


@pytest.mark.parametrize(
    "mutate",
    [
        lambda body: body.replace(b"aaab", b"aaaa").replace(b"\r\naaa", b"\r\naba", 1),
        lambda body: body[: body.index(b"400;")] + body[body.index(b"0;chunk-signature=b6c6") :],
        lambda body: body[:-200],
        lambda body: body.replace(b"0;chunk-signature=b6c6", b"-0;chunk-signature=b6c6"),
        lambda body: body.replace(b"b6c6", b"b6c7"),
        lambda body: b"",
    ],
    ids=["changed", "dropped", "cut", "negative", "signature", "empty"],
)
def test_a_changed_chunk_is_refused(mutate: object) -> None:
    signature, body = chunked_example()
    changed = mutate(body)  # type: ignore[operator]
    assert changed != body
    with pytest.raises(Refused):
        aws_chunked.decode(signature, SECRET, changed)


# --- botocore as the oracle ---------------------------------------------------------------------------------------

segments = st.text(st.characters(codec="utf-8", exclude_characters="\r\n/\0"), min_size=1, max_size=8)
parameters = st.dictionaries(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=6).filter(
        lambda name: not name.startswith("X-Amz-")
    ),
    st.text(st.characters(codec="utf-8"), max_size=6),
    max_size=4,
)
header_values = st.text("abcXYZ 0189;=,/", min_size=1, max_size=12).map(str.strip).filter(bool)
extra_headers = st.dictionaries(
    st.sampled_from(["X-Amz-Target", "Content-Type", "X-Custom"]), header_values, max_size=3
)


@st.composite
def unsigned_requests(draw: st.DrawFn) -> AWSRequest:
    from botocore.utils import percent_encode

    path = "/".join(percent_encode(segment) for segment in draw(st.lists(segments, max_size=4)))
    pairs = [f"{percent_encode(name)}={percent_encode(value)}" for name, value in draw(parameters).items()]
    return AWSRequest(
        draw(st.sampled_from(["GET", "POST", "PUT", "DELETE"])),
        f"https://api.example.com:8443/{path}" + ("?" + "&".join(pairs) if pairs else ""),
        headers=draw(extra_headers),
        data=draw(st.binary(max_size=20)),
    )


def sign(request: AWSRequest, form: str, token: str | None = None) -> SignedRequest:
    credentials = Credentials(KEY, SECRET, token)
    signers = {
        "header": SigV4Auth(credentials, "execute-api", "eu-west-1"),
        "query": SigV4QueryAuth(credentials, "lambda", "eu-west-1", expires=60),
        "s3-header": S3SigV4Auth(credentials, "s3", "eu-west-1"),
        "s3-query": S3SigV4QueryAuth(credentials, "s3", "eu-west-1", expires=60),
    }
    if form.endswith("query"):
        request.data = b""
    signers[form].add_auth(request)
    return arrived(request)


FORMS = ["header", "query", "s3-header", "s3-query"]


@settings(max_examples=300, deadline=None)
@given(unsigned_requests(), st.sampled_from(FORMS), st.sampled_from([None, "tok/en+=="]))
def test_what_botocore_signs_verifies(request: AWSRequest, form: str, token: str | None) -> None:
    signature = verify(sign(request, form, token))
    assert (signature.access_key_id, signature.region) == (KEY, "eu-west-1")
    assert signature.session_token == (token or "")


def mutants(request: SignedRequest) -> dict[str, SignedRequest]:
    def header(name: bytes, value: bytes) -> SignedRequest:
        return request._replace(headers=[(n, value if n == name else v) for n, v in request.headers])

    host = dict(request.headers)[b"host"]
    return {
        "method": request._replace(method="PATCH"),
        "path": request._replace(raw_path=request.raw_path + b"x"),
        "query": request._replace(query_string=request.query_string + b"&zz=1"),
        "body": request._replace(body=request.body + b"x"),
        "rehosted": header(b"host", b"evil.example.com"),
        "smuggled": request._replace(headers=[*request.headers, (b"x-amz-target", b"Other.Operation")]),
        "doubled": request._replace(headers=[*request.headers, (b"host", host)]),
        "session": request._replace(headers=[*request.headers, (b"x-amz-security-token", b"stolen")]),
    }


@settings(max_examples=150, deadline=None)
@given(unsigned_requests(), st.sampled_from(FORMS), st.data())
def test_what_was_changed_after_signing_is_refused(request: AWSRequest, form: str, data: st.DataObject) -> None:
    signed = sign(request, form)
    name = data.draw(st.sampled_from(sorted(mutants(signed))))
    # A presigned S3 URL leaves the body unsigned, by design.
    assume(not (form == "s3-query" and name == "body"))
    assert refused(mutants(signed)[name]).reason in {
        Reason.MISMATCH,
        Reason.NOT_SIGNED_HEADERS,
        Reason.BODY_MISMATCH,
        Reason.INCOMPLETE,
    }


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 63), st.sampled_from(FORMS))
def test_any_other_signature_is_refused(position: int, form: str) -> None:
    request = sign(AWSRequest("GET", "https://a.example.com/x", data=b""), form)
    right = sigv4.read_signature(request)
    assert right is not None
    digit = right.signature[position]
    wrong = right.signature[:position] + ("0" if digit != "0" else "1") + right.signature[position + 1 :]
    with pytest.raises(Refused) as caught:
        sigv4.verify(right._replace(signature=wrong), request, SECRET, time.time())
    assert caught.value.reason is Reason.MISMATCH


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=40),
    st.binary(max_size=60),
    st.lists(
        st.tuples(st.sampled_from([b"authorization", b"date", b"x-amz-date", b"host"]), st.binary(max_size=80)),
        max_size=4,
    ),
)
def test_garbage_is_refused_and_nothing_else(path: bytes, query: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    for request in (
        SignedRequest("GET", path, query, headers),
        SignedRequest("GET", path, b"X-Amz-Algorithm=AWS4-HMAC-SHA256&" + query, []),
        SignedRequest(
            "GET", path, query, [(n, b"AWS4-HMAC-SHA256 " + v if n == b"authorization" else v) for n, v in headers]
        ),
    ):
        verified = False
        with contextlib.suppress(Refused):
            signature = sigv4.read_signature(request)
            if signature is not None:
                sigv4.verify(signature, request, SECRET, time.time())
                verified = True
        assert not verified


@given(st.binary(max_size=200))
def test_garbage_chunks_are_refused_or_decoded(body: bytes) -> None:
    unsigned = [("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")]
    signature = sigv4.read_signature(example("PUT", b"/b/k", b"", body, unsigned, "0"))
    assert signature is not None
    decoded = b""
    with contextlib.suppress(Refused):
        decoded = aws_chunked.decode(signature, None, body).body
    assert len(decoded) <= max(len(body) - 3, 0)


# --- Wording ------------------------------------------------------------------------------------------------------


def with_authorization(value: str) -> SignedRequest:
    return SignedRequest(
        "GET", b"/", b"", [(b"host", b"a"), (b"x-amz-date", b"20130524T000000Z"), (b"authorization", value.encode())]
    )


@pytest.mark.parametrize(
    ("authorization", "reason", "words"),
    [
        ("Bearer x", Reason.INCOMPLETE, "Unsupported authorization type: 'Bearer'"),
        (
            "AWS4-HMAC-SHA256 SignedHeaders=host, Signature=1",
            Reason.INCOMPLETE,
            "Authorization header requires 'Credential' parameter.",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=1",
            Reason.INCOMPLETE,
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'a/b/c'",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=a/20130524/r/s/aws3, SignedHeaders=host, Signature=1",
            Reason.MISMATCH,
            "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws3'.",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=a/20130525/r/s/aws4_request, SignedHeaders=host, Signature=1",
            Reason.MISMATCH,
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            "'20130525' != '20130524', from '20130524T000000Z'.",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=a/20130524/r/s/aws4_request, SignedHeaders=x-amz-date, Signature=1",
            Reason.NOT_SIGNED_HEADERS,
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=a/20130524/r/s/aws4_request, SignedHeaders=host, Signature=1",
            Reason.NOT_SIGNED_HEADERS,
            "'X-Amz-Date' must be a 'SignedHeader' in the AWS Authorization.",
        ),
    ],
)
def test_what_is_wrong_is_said_as_aws_says_it(authorization: str, reason: Reason, words: str) -> None:
    refusal = refused(with_authorization(authorization), MAY_24_2013)
    assert refusal.reason is reason
    assert refusal.message.startswith(words)


def test_skew_is_said_as_aws_says_it() -> None:
    request = example(*S3_EXAMPLES[0])
    assert refused(request, MAY_24_2013 + 1800).message == (
        "Signature expired: 20130524T000000Z is now earlier than 20130524T001500Z (20130524T003000Z - 15 min.)"
    )
    assert refused(request, MAY_24_2013 - 1800).message == (
        "Signature not yet current: 20130524T000000Z is still later than 20130523T234500Z (20130523T233000Z + 15 min.)"
    )


def test_an_unsigned_request_has_no_signature() -> None:
    assert sigv4.read_signature(SignedRequest("GET", b"/", b"a=b", [(b"host", b"a")])) is None


def test_repeated_query_credentials_are_refused() -> None:
    signed = sign(AWSRequest("GET", "https://a.example.com/x", data=b""), "query")
    again = signed._replace(query_string=signed.query_string + b"&X-Amz-Date=20130524T000000Z")
    assert refused(again).reason is Reason.QUERY_PARAMETERS
