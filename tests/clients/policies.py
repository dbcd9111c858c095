"""The users of the tests, as `aws iam get-account-authorization-details` would export them.

    admin       may do everything with secrets and parameters
    reader      may read secrets and parameters under allowed/
    careful     may read everything, but an explicit deny covers denied/
    lister      may list and delete parameters under /paths/open
    nobody      has no policy
"""

import json

from broker import ACCOUNT

USERS = ("admin", "reader", "careful", "lister", "nobody")


def user(name, *statements, account=ACCOUNT):
    """A user with one inline policy, or with none."""
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    return {
        "Path": "/",
        "UserName": name,
        "UserId": "AIDATEST" + name.upper().ljust(13, "X"),
        "Arn": f"arn:aws:iam::{account}:user/{name}",
        "CreateDate": "2026-01-01T00:00:00+00:00",
        "GroupList": [],
        "AttachedManagedPolicies": [],
        "UserPolicyList": [{"PolicyName": "Test", "PolicyDocument": document}] if statements else [],
    }


def export(users):
    """The export of an account that has these users."""
    return json.dumps({"UserDetailList": users, "GroupDetailList": [], "RoleDetailList": [], "Policies": []}, indent=2)


def statement(effect, actions, condition=None):
    """A statement about every resource."""
    more = {"Condition": condition} if condition else {}
    return {"Effect": effect, "Action": actions, "Resource": "*"} | more


def _allow(actions, resources="*"):
    return {"Effect": "Allow", "Action": actions, "Resource": resources}


DOCUMENT = export(
    [
        user("admin", _allow(["secretsmanager:*", "ssm:*"])),
        user(
            "reader",
            _allow(["secretsmanager:GetSecretValue"], f"arn:aws:secretsmanager:*:{ACCOUNT}:secret:allowed/*"),
            _allow(["ssm:GetParameter", "ssm:GetParameters"], f"arn:aws:ssm:*:{ACCOUNT}:parameter/allowed/*"),
        ),
        user(
            "careful",
            _allow(["secretsmanager:*", "ssm:*"]),
            {
                "Effect": "Deny",
                "Action": ["secretsmanager:GetSecretValue", "ssm:GetParameter", "ssm:GetParameters"],
                "Resource": [
                    f"arn:aws:secretsmanager:*:{ACCOUNT}:secret:denied/*",
                    f"arn:aws:ssm:*:{ACCOUNT}:parameter/denied/*",
                ],
            },
        ),
        user(
            "lister",
            _allow(
                ["ssm:GetParametersByPath", "ssm:DeleteParameters"],
                [f"arn:aws:ssm:*:{ACCOUNT}:parameter/paths/open", f"arn:aws:ssm:*:{ACCOUNT}:parameter/paths/open/*"],
            ),
        ),
        user("nobody"),
    ]
)
