"""Signatures against the vectors that Amazon, RFC 5849 and RFC 6238 publish."""

from __future__ import annotations

import base64
import hashlib

import pytest

from nova_lite import errors
from nova_lite.identity import oauth, signatures, totp

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SUITE_SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
V2 = {
    "signature": "i91nKc4PWAt0JJIdXwz9HxZCJDdiy6cf/Mj6vPxyYIs=",
    "verb": "GET",
    "host": "elasticmapreduce.amazonaws.com",
    "path": "/",
    "params": {
        "AWSAccessKeyId": "AKIAIOSFODNN7EXAMPLE",
        "Action": "DescribeJobFlows",
        "SignatureMethod": "HmacSHA256",
        "SignatureVersion": "2",
        "Timestamp": "2011-10-03T15:19:30",
        "Version": "2009-03-31",
    },
}
V4 = {  # "get-vanilla" of Amazon's Signature Version 4 test suite
    "signature": "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    "verb": "GET",
    "host": "example.amazonaws.com",
    "path": "/",
    "params": {},
    "headers": {
        "Host": "example.amazonaws.com",
        "X-Amz-Date": "20150830T123600Z",
        "Authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature=5fa0",
    },
    "body_hash": hashlib.sha256(b"").hexdigest(),
}
S3_TEXT = b"GET\n\n\nTue, 27 Mar 2007 19:36:42 +0000\n/awsexamplebucket1/photos/puppy.jpg"
S3_SIGNATURE = "qgk2+6Sv9/oM7G3qLEjTH1a1l1g="


def call(body, **changes):
    return signatures.read_call(body | changes)


@pytest.mark.parametrize(("body", "secret"), [(V2, SECRET), (V4, SUITE_SECRET)], ids=["v2", "v4"])
def test_the_published_signature_is_taken(body, secret):
    signatures.check_ec2(call(body), secret)


@pytest.mark.parametrize(("body", "secret"), [(V2, SECRET), (V4, SUITE_SECRET)], ids=["v2", "v4"])
@pytest.mark.parametrize("change", [{"verb": "PUT"}, {"path": "/other"}, {"signature": "x"}, {"params": {"Action": "Other"}}])
def test_a_changed_request_is_refused(body, secret, change):
    with pytest.raises(errors.Unauthorized):
        signatures.check_ec2(call(body, **change), secret)


def test_a_host_that_was_signed_without_its_port_is_taken():
    signatures.check_ec2(call(V2, host="elasticmapreduce.amazonaws.com:8788"), SECRET)


@pytest.mark.parametrize(
    ("params", "signature"),
    [
        ({"SignatureVersion": "0", "Action": "Foo", "Timestamp": "2011-10-03T15:19:30Z"}, "U3T8qabL78WvoXb8dr9HUUForBU="),
        (
            {"SignatureVersion": "1", "Action": "Foo", "b": "2", "A": "1 ~é", "Timestamp": "2011-10-03T15:19:30Z"},
            "qtRpTs+YTvp9teSFpDWoWQjv+60=",
        ),
        (
            {"SignatureVersion": "2", "SignatureMethod": "HmacSHA256", "Action": "Foo", "x": "a b+c/~é*"},
            "blKCvri6TiOBUcmfjYOQhrnfufo1k/q739gxMi8zXH0=",
        ),
    ],
    ids=["v0", "v1", "v2 with odd characters"],
)
def test_what_another_library_signed_is_taken(params, signature):
    """The signatures were made by python-keystoneclient 6.0's `Ec2Signer`."""
    body = {"signature": signature, "verb": "POST", "host": "cloud.test:8788", "path": "/services/Cloud", "params": params}

    signatures.check_ec2(call(body), "secret")


def test_a_signed_link_of_version_4_is_taken():
    """Made by the same library: what signs stands in the query."""
    params = {
        "Action": "Foo",
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": "k/20150830/r/ec2/aws4_request",
        "X-Amz-Date": "20150830T123600Z",
        "X-Amz-SignedHeaders": "host",
        "z": "a b",
    }
    made = "4f3044e9f01ecdd2a020c2e0f04628ccc4485a58f2589b72fefdd0ca543dd6cc"
    given = {"headers": {"host": "cloud.test:8788"}, "params": params, "path": "/services/Cloud", "body_hash": "abc"}

    signatures.check_ec2(call(V4 | given, signature=made), "secret")


def test_an_unknown_version_is_refused():
    for params in ({"SignatureVersion": "3"}, {}):
        with pytest.raises(errors.Unauthorized):
            signatures.check_ec2(call(V2, params=params), SECRET)


def test_an_empty_secret_signs_nothing():
    made = call(V2, signature=signatures._ec2(call(V2), ""))

    with pytest.raises(errors.Unauthorized):
        signatures.check_ec2(made, "")


def test_a_request_without_a_signature_is_refused():
    with pytest.raises(errors.Unauthorized):
        signatures.read_call({"params": {}})


@pytest.mark.parametrize(
    "change",
    [
        {"X-Amz-Date": "20150831T123600Z"},
        {"Authorization": "AWS4-HMAC-SHA256"},
        {"Authorization": "AWS4-HMAC-SHA256 Credential=a/b"},
        {"Authorization": "none"},
    ],
)
def test_a_malformed_version_4_header_is_refused(change):
    with pytest.raises(errors.Unauthorized):
        signatures.check_ec2(call(V4, headers=V4["headers"] | change), SUITE_SECRET)


@pytest.mark.parametrize("seconds", [-901, 901])
def test_a_timestamp_far_from_now_is_refused(seconds):
    made = 1317655170.0  # 2011-10-03T15:19:30Z
    signatures.check_time(call(V2), made)

    with pytest.raises(errors.Unauthorized):
        signatures.check_time(call(V2), made + seconds)


@pytest.mark.parametrize("name", ["Timestamp", "Expires"])
def test_a_timestamp_that_is_none_is_refused(name):
    with pytest.raises(errors.Unauthorized):
        signatures.check_time(call(V2, params={"SignatureVersion": "2", name: "yesterday"}), 0.0)


def test_a_request_signed_until_a_moment_is_refused_after_it():
    until = call(V2, params={"SignatureVersion": "2", "Expires": "2011-10-03T15:19:30Z"})
    signatures.check_time(until, 1317655170.0)

    with pytest.raises(errors.Unauthorized):
        signatures.check_time(until, 1317655171.0)


@pytest.mark.parametrize("name", ["X-Amz-Date", "x-amz-date", "X-AMZ-DATE"])
def test_the_moment_of_version_4_is_the_one_that_is_signed(name):
    made = 1440938160.0  # 20150830T123600Z
    headers = {**V4["headers"], name: V4["headers"]["X-Amz-Date"]}
    if name != "X-Amz-Date":
        del headers["X-Amz-Date"]
    replayed = call(V4, headers=headers, params={"Timestamp": "2026-01-01T00:00:00Z"})
    signatures.check_time(replayed, made)

    with pytest.raises(errors.Unauthorized):
        signatures.check_time(replayed, 1767225600.0)


def test_version_4_without_a_moment_is_refused():
    headers = {"Authorization": V4["headers"]["Authorization"].replace("20150830", ""), "Host": "example.amazonaws.com"}
    with pytest.raises(errors.Unauthorized, match="Invalid EC2 signature"):
        signatures.check_ec2(call(V4, headers=headers), SUITE_SECRET)


def test_the_first_version_of_s3_is_taken():
    token = base64.urlsafe_b64encode(S3_TEXT).decode()

    signatures.check_s3(token, S3_SIGNATURE, SECRET)
    with pytest.raises(errors.Unauthorized):
        signatures.check_s3(token, S3_SIGNATURE, SECRET + "x")


def test_version_4_of_s3_is_taken():
    """The example "GET object" of "Signature calculations for the Authorization header" in Amazon's S3 reference."""
    digest = "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972"
    text = f"AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n{digest}".encode()
    token = base64.urlsafe_b64encode(text).decode()
    signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"

    signatures.check_s3(token, signature, SECRET)
    for wrong in (text.replace(b"s3/", b"ec2/"), text + b"\nmore", b"AWS4"):
        with pytest.raises(errors.Unauthorized):
            signatures.check_s3(base64.urlsafe_b64encode(wrong).decode(), signature, SECRET)


def test_a_signed_text_that_is_no_base64_is_refused():
    with pytest.raises(errors.BadRequest):
        signatures.check_s3("!!", "x", SECRET)


@pytest.mark.parametrize(
    ("moment", "digits"), [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (2000000000, "279037")]
)
def test_passcodes_are_those_of_rfc_6238(moment, digits):
    assert totp.passcode(b"12345678901234567890", moment // totp.PERIOD_S) == digits


def test_the_signature_of_rfc_5849_is_made():
    header = (
        'OAuth realm="Photos", oauth_consumer_key="dpf43f3p2l4k3l03", oauth_token="nnch734d00sl2jdk", '
        'oauth_signature_method="HMAC-SHA1", oauth_timestamp="137131202", oauth_nonce="chapoH", '
        'oauth_signature="MdpQcU8iPSUjWoN%2FUDMsK2sui9I%3D"'
    )
    request = oauth.SignedRequest(
        method="GET",
        url="http://photos.example.net:80/photos",
        query=(("file", "vacation.jpg"), ("size", "original")),
        oauth=oauth.read_header(header),
    )

    made = oauth.make_signature(request, "kd94hf93k423kf44", "pfkkdhi9sl3r4s00")

    assert made == request.oauth["oauth_signature"] == "MdpQcU8iPSUjWoN/UDMsK2sui9I="
