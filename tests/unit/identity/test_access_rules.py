from __future__ import annotations

import pytest

from nova_lite import errors
from nova_lite.db import identity as db
from nova_lite.identity import access_rules, credentials
from nova_lite.identity.credentials import CredentialOrder
from nova_lite.identity.path_patterns import Pattern
from nova_lite.identity.port import Call

SERVERS = ("compute", "GET", "/v2.1/servers")
MATCHES = {
    "/v2.1/servers": (["/v2.1/servers"], ["/v2.1/servers/x", "/v2.1/server", "/v2-1/servers", "/x/v2.1/servers"]),
    "/v2.1/servers/*": (["/v2.1/servers/x"], ["/v2.1/servers", "/v2.1/servers/", "/v2.1/servers/x/ips"]),
    "/v2.1/servers/{server_id}": (["/v2.1/servers/x"], ["/v2.1/servers/x/ips"]),
    "/v2.1/servers/{server_id}/ips": (["/v2.1/servers/x/ips"], ["/v2.1/servers/x/y/ips"]),
    "/v2.1/servers/**": (["/v2.1/servers/x", "/v2.1/servers/x/ips", "/v2.1/servers/"], ["/v2.1/flavors"]),
    "**": (["/", "/v2.1/anything/at/all"], []),
    "/v2.1/a{b": (["/v2.1/a{b"], ["/v2.1/ab"]),
    "/a*c": (["/abc", "/abbc", "/accc"], ["/ac", "/a/c", "/abcd"]),
    "/**/x/**/y": (["/a/x/b/y", "/a/b/x/c/x/d/y", "//x//y"], ["/x/y", "/a/x/b/y/", "/a/b/y"]),
    "/{a}{b}": (["/xy", "/xyz"], ["/x"]),
    "/v2.1/.*": (["/v2.1/.x"], ["/v2.1/servers"]),
}


def call(path, method="GET", service="compute"):
    return Call(service=service, method=method, path=path)


@pytest.mark.parametrize("pattern", list(MATCHES))
def test_a_pattern_speaks_of_these_paths_and_not_of_those(pattern):
    fitting, others = MATCHES[pattern]
    rules = (("compute", "GET", pattern),)

    assert [path for path in fitting if not access_rules.allow(rules, call(path))] == []
    assert [path for path in others if access_rules.allow(rules, call(path))] == []


def test_a_pattern_of_many_stars_takes_no_longer_than_the_path_is():
    stars = "/" + "**x" * 70
    looked_at = 0

    class Path(str):
        def __iter__(self):
            nonlocal looked_at
            for letter in str(self):
                looked_at += 1
                yield letter

    assert not Pattern(stars).matches(Path("/" + "x" * 2000 + "y"))
    assert Pattern(stars).matches("/" + "x" * 2000)
    assert looked_at == 2002


def test_service_and_method_must_be_the_same_too():
    assert access_rules.allow((SERVERS,), call("/v2.1/servers"))
    assert not access_rules.allow((SERVERS,), call("/v2.1/servers", method="POST"))
    assert not access_rules.allow((SERVERS,), call("/v2.1/servers", method="HEAD"))
    assert not access_rules.allow((SERVERS,), call("/v2.1/servers", service="network"))
    assert not access_rules.allow((SERVERS,), None)
    assert not access_rules.allow((), call("/v2.1/servers"))


def make(cloud, *rules, name="script"):
    with cloud.database.read() as tx:
        user, project = db.USERS.find_by(tx, name="demo"), db.PROJECTS.find_by(tx, name="demo")
    asked = tuple({"service": service, "method": method, "path": path} for service, method, path in rules)
    order = CredentialOrder(user_id=user.id, project_id=project.id, name=name, access_rules=asked)
    return credentials.create(cloud.database, order)


def log_in(cloud, record, secret):
    shown = {"id": record.id, "secret": secret}
    auth = {"identity": {"methods": ["application_credential"], "application_credential": shown}}
    return cloud.identity.login.authenticate(auth, "192.0.2.1")[0]


def test_a_token_with_rules_is_good_for_nothing_else(cloud):
    record, _, secret = make(cloud, SERVERS)
    token = log_in(cloud, record, secret)
    check = cloud.identity.tokens.check

    assert check(token, "req-1", call("/v2.1/servers")).user_name == "demo"
    for other in (call("/v2.1/flavors"), None):
        with pytest.raises(errors.Unauthorized):
            check(token, "req-1", other)


def test_what_says_the_same_is_one_rule(cloud):
    first, _, _ = make(cloud, SERVERS)
    second, _, _ = make(cloud, SERVERS, SERVERS, name="another")

    assert first.access_rules == second.access_rules
    with cloud.database.read() as tx:
        assert len(db.ACCESS_RULES.list_by(tx)) == 1


def test_rules_have_room_in_a_token(cloud):
    longest = tuple(("compute", "GET", f"/{number:0213d}") for number in range(9))

    record, _, secret = make(cloud, *longest)

    assert len(log_in(cloud, record, secret)) < 4096
    with pytest.raises(errors.BadRequest):
        make(cloud, *longest, ("compute", "PUT", longest[0][2]), name="too much")
