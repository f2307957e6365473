"""Rules on stored credentials, EC2 key pairs, and requests signed with them."""

from __future__ import annotations

from nova_lite.identity.policies.identity.rules import rule

_OWNER = "rule:admin_required or user_id:%(target.credential.user_id)s"
_SERVICE = "rule:admin_required or role:service"
_ONE = "/credentials/{credential_id}"
_PAIRS = "/users/{user_id}/credentials/OS-EC2"
_PAIR = _PAIRS + "/{credential_id}"
RULES = (
    rule("list_credentials", _OWNER, "GET", "/credentials", "List stored credentials."),
    rule("get_credential", _OWNER, "GET", _ONE, "Show a stored credential."),
    rule("create_credential", _OWNER, "POST", "/credentials", "Store a credential."),
    rule("update_credential", _OWNER, "PATCH", _ONE, "Change a stored credential."),
    rule("delete_credential", _OWNER, "DELETE", _ONE, "Remove a stored credential."),
    rule("ec2_list_credentials", _OWNER, "GET", _PAIRS, "List a user's EC2 key pairs."),
    rule("ec2_get_credential", _OWNER, "GET", _PAIR, "Show an EC2 key pair."),
    rule("ec2_create_credential", _OWNER, "POST", _PAIRS, "Make an EC2 key pair."),
    rule("ec2_delete_credential", _OWNER, "DELETE", _PAIR, "Remove an EC2 key pair."),
    rule("ec2tokens_validate", _SERVICE, "POST", "/ec2tokens", "Check a signed request to EC2."),
    rule("s3tokens_validate", _SERVICE, "POST", "/s3tokens", "Check a signed request to S3."),
)
