//! One file: what `aws iam get-account-authorization-details` prints, or the same
//! written by hand with fewer fields.
//!
//! ```text
//! UserDetailList[]   Arn UserName UserId  UserPolicyList[]  AttachedManagedPolicies[] GroupList[]
//! GroupDetailList[]  Arn GroupName        GroupPolicyList[] AttachedManagedPolicies[]
//! RoleDetailList[]   Arn RoleName RoleId  RolePolicyList[]  AttachedManagedPolicies[] AssumeRolePolicyDocument
//! Policies[]         Arn PolicyVersionList[] { Document IsDefaultVersion }
//! ```
//!
//! Every field of the API's response is known. Those that say nothing about
//! permissions are read over; any other field is an error.
//!
//! Users and roles also have `PermissionsBoundary` and `Tags`.
//!
//! Source: IAM API Reference, `GetAccountAuthorizationDetails`.

use super::document::{Kind, Statement};
use super::lone;
use super::parse::{self, File, Origin};
use super::shape;
use crate::arn::Arn;
use crate::diagnostic::Diagnostic;
use crate::json::{Node, Value};
use std::ops::Range;
use std::sync::Arc;

/// What a [`Detail`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DetailKind {
    Group,
    Role,
    User,
}

/// A user, group or role of one file.
#[derive(Debug)]
pub(super) struct Detail {
    pub(super) kind: DetailKind,
    pub(super) arn: Arn,
    pub(super) place: Range<usize>,
    pub(super) name: String,
    pub(super) id: Option<String>,
    /// Statements of inline policies.
    pub(super) inline: Vec<Arc<Statement>>,
    /// ARNs of attached policies, with their places.
    pub(super) attached: Vec<(String, Range<usize>)>,
    /// Names of groups, with their places.
    pub(super) groups: Vec<(String, Range<usize>)>,
    pub(super) trust: Vec<Arc<Statement>>,
    /// ARN of the permissions boundary, with its place.
    pub(super) boundary: Option<(String, Range<usize>)>,
    pub(super) tags: Vec<(String, String)>,
    /// `MaxSessionDuration` of a role, in seconds.
    pub(super) longest_session: Option<i64>,
}

/// A managed policy of one file.
#[derive(Debug)]
pub(super) struct ManagedPolicy<'n> {
    pub(super) arn: Arn,
    pub(super) place: Range<usize>,
    /// The document of the default version, as it stands in the file.
    pub(super) document: Option<&'n Node>,
    pub(super) statements: Vec<Arc<Statement>>,
}

/// The contents of one file.
#[derive(Debug, Default)]
pub(super) struct Account<'n> {
    pub(super) details: Vec<Detail>,
    pub(super) policies: Vec<ManagedPolicy<'n>>,
}

/// Names of the fields of users, groups and roles, which differ by a prefix.
struct Form {
    kind: DetailKind,
    what: &'static str,
    list: &'static str,
    name: &'static str,
    id: &'static str,
    inline: &'static str,
    resource: &'static str,
    fields: &'static [&'static str],
}

const FORMS: [Form; 3] = [
    Form {
        kind: DetailKind::User,
        what: "a user",
        list: "UserDetailList",
        name: "UserName",
        id: "UserId",
        inline: "UserPolicyList",
        resource: "user/",
        fields: &[
            "Path",
            "UserName",
            "UserId",
            "Arn",
            "CreateDate",
            "UserPolicyList",
            "GroupList",
            "AttachedManagedPolicies",
            "PermissionsBoundary",
            "Tags",
        ],
    },
    Form {
        kind: DetailKind::Group,
        what: "a group",
        list: "GroupDetailList",
        name: "GroupName",
        id: "GroupId",
        inline: "GroupPolicyList",
        resource: "group/",
        fields: &[
            "Path",
            "GroupName",
            "GroupId",
            "Arn",
            "CreateDate",
            "GroupPolicyList",
            "AttachedManagedPolicies",
        ],
    },
    Form {
        kind: DetailKind::Role,
        what: "a role",
        list: "RoleDetailList",
        name: "RoleName",
        id: "RoleId",
        inline: "RolePolicyList",
        resource: "role/",
        fields: &[
            "Path",
            "RoleName",
            "RoleId",
            "Arn",
            "CreateDate",
            "AssumeRolePolicyDocument",
            "InstanceProfileList",
            "RolePolicyList",
            "AttachedManagedPolicies",
            "PermissionsBoundary",
            "Tags",
            "RoleLastUsed",
            "MaxSessionDuration",
        ],
    },
];

/// Reads a file; errors and warnings go to `out`.
pub(super) fn read<'n>(root: &'n Node, file: &File, out: &mut Vec<Diagnostic>) -> Account<'n> {
    const FIELDS: &[&str] = &[
        "UserDetailList",
        "GroupDetailList",
        "RoleDetailList",
        "Policies",
        "IsTruncated",
        "Marker",
        "NextToken",
        // What an SDK adds to an answer.
        "ResponseMetadata",
    ];
    if lone::is_lone(root) {
        out.push(
            Diagnostic::error("IAM0207", "this policy document belongs to nobody")
                .at(shape::start(root), "a document by itself, without a user, group, role or policy around it")
                .help(
                    "put it into `UserPolicyList`, `RolePolicyList` or `Policies` of an account's file, as in \
                     policies/developer.json; `sealdock policy check FILE` checks a document by itself",
                ),
        );
        return Account::default();
    }
    if !shape::object(root, "an account's authorization details", FIELDS, out) {
        return Account::default();
    }
    // The CLI has `NextToken` where the API has `IsTruncated`.
    let truncated = root.get("IsTruncated").filter(|node| node.value == Value::Bool(true));
    if let Some(mark) = truncated.or_else(|| root.get("NextToken").filter(|node| node.value != Value::Null)) {
        let span = mark.span.clone();
        out.push(
            Diagnostic::warning("IAM0205", "this is one page of several")
                .at(span, "more of the account follows in other pages")
                .help("put all pages beside each other, or export again without `--max-items`"),
        );
    }
    let mut account = Account::default();
    for form in &FORMS {
        let elements = shape::list(root, form.list, out);
        account.details.extend(elements.iter().filter_map(|node| detail(node, form, file, out)));
    }
    let policies = shape::list(root, "Policies", out);
    account.policies.extend(policies.iter().filter_map(|node| policy(node, file, out)));
    account
}

fn detail(node: &Node, form: &Form, file: &File, out: &mut Vec<Diagnostic>) -> Option<Detail> {
    if !shape::object(node, form.what, form.fields, out) {
        return None;
    }
    let name =
        shape::required(node, form.name, form.what, out).and_then(|n| shape::string(n, form.name, out));
    let identity = arn(node, form.what, out);
    let (Some(name), Some((identity, place))) = (name, identity) else { return None };
    check_arn(node, form, name, &identity, &place, out);
    let id = node.get(form.id).and_then(|id| shape::string(id, form.id, out)).map(str::to_owned);
    let inline = inline(node, form, &identity, file, out);
    let trust = match form.kind {
        DetailKind::Role => trust(node, &identity, file, out),
        DetailKind::Group | DetailKind::User => Vec::new(),
    };
    let groups = shape::list(node, "GroupList", out);
    let groups =
        groups.iter().filter_map(|g| Some((shape::string(g, "GroupList", out)?.to_owned(), g.span.clone())));
    let groups = groups.collect();
    let attached = attached(node, out);
    let boundary = node.get("PermissionsBoundary").and_then(|boundary| boundary_arn(boundary, out));
    let tags = tags(node, out);
    let longest_session = node.get("MaxSessionDuration").and_then(|seconds| longest_session(seconds, out));
    Some(Detail {
        kind: form.kind,
        arn: identity,
        place,
        name: name.into(),
        id,
        inline,
        attached,
        groups,
        trust,
        boundary,
        tags,
        longest_session,
    })
}

/// Source: IAM API Reference, "CreateRole": 3600 to 43200 seconds.
fn longest_session(node: &Node, out: &mut Vec<Diagnostic>) -> Option<i64> {
    let seconds = match &node.value {
        Value::Number(digits) => digits.parse::<i64>().ok(),
        _ => None,
    };
    let seconds = seconds.filter(|seconds| (3600..=43200).contains(seconds));
    if seconds.is_none() {
        out.push(
            Diagnostic::error(
                "IAM0213",
                "`MaxSessionDuration` has to be a number of seconds from 3600 to 43200",
            )
            .at(node.span.clone(), "")
            .help("3600 is an hour, 43200 are twelve"),
        );
    }
    seconds
}

/// `{"PermissionsBoundaryType": "PermissionsBoundaryPolicy", "PermissionsBoundaryArn": "arn:.."}`;
/// the API says `Policy` for the type in some answers.
fn boundary_arn(node: &Node, out: &mut Vec<Diagnostic>) -> Option<(String, Range<usize>)> {
    const WHAT: &str = "a permissions boundary";
    if !shape::object(node, WHAT, &["PermissionsBoundaryType", "PermissionsBoundaryArn"], out) {
        return None;
    }
    let element = shape::required(node, "PermissionsBoundaryArn", WHAT, out)?;
    let arn = shape::string(element, "PermissionsBoundaryArn", out)?;
    Some((arn.to_owned(), element.span.clone()))
}

fn tags(node: &Node, out: &mut Vec<Diagnostic>) -> Vec<(String, String)> {
    let mut tags = Vec::new();
    for tag in shape::list(node, "Tags", out) {
        const WHAT: &str = "a tag";
        if shape::object(tag, WHAT, &["Key", "Value"], out)
            && let Some(key) = shape::required(tag, "Key", WHAT, out)
            && let Some(key) = shape::string(key, "Key", out)
        {
            let value = tag.get("Value").and_then(|value| shape::string(value, "Value", out));
            tags.push((key.to_owned(), value.unwrap_or_default().to_owned()));
        }
    }
    tags
}

fn arn(node: &Node, what: &str, out: &mut Vec<Diagnostic>) -> Option<(Arn, Range<usize>)> {
    let element = shape::required(node, "Arn", what, out)?;
    let text = shape::string(element, "Arn", out)?;
    match text.parse() {
        Ok(arn) => Some((arn, element.span.clone())),
        Err(error) => {
            out.push(
                Diagnostic::error("IAM0204", format!("malformed ARN `{text}`"))
                    .at(element.span.clone(), format!("{error}")),
            );
            None
        }
    }
}

/// The ARN of an identity says its account, path and name; all must agree.
fn check_arn(
    node: &Node,
    form: &Form,
    name: &str,
    arn: &Arn,
    place: &Range<usize>,
    out: &mut Vec<Diagnostic>,
) {
    let account = arn.account.len() == 12 && arn.account.bytes().all(|b| b.is_ascii_digit());
    let path = node.get("Path").and_then(|path| shape::string(path, "Path", out));
    let rest = arn.resource.strip_prefix(form.resource).and_then(|rest| rest.strip_suffix(name));
    let agrees = match (rest, path) {
        (None, _) => false,
        (Some(rest), Some(path)) => rest == path.strip_prefix('/').unwrap_or(path),
        (Some(rest), None) => rest.is_empty() || rest.ends_with('/'),
    };
    let plain = !name.is_empty() && !name.contains('/');
    if !(account && agrees && plain && arn.service == "iam" && arn.region.is_empty()) {
        let path = path.unwrap_or("/");
        out.push(
            Diagnostic::error("IAM0204", format!("`{arn}` is not the ARN of {} named `{name}`", form.what))
                .at(place.clone(), "account, path and name must agree")
                .help(format!(
                    "expected `arn:aws:iam::ACCOUNT:{}{path}{name}`",
                    form.resource.trim_end_matches('/')
                )),
        );
    }
}

fn inline(
    node: &Node,
    form: &Form,
    owner: &Arn,
    file: &File,
    out: &mut Vec<Diagnostic>,
) -> Vec<Arc<Statement>> {
    let mut statements = Vec::new();
    for policy in shape::list(node, form.inline, out) {
        const WHAT: &str = "an inline policy";
        if !shape::object(policy, WHAT, &["PolicyName", "PolicyDocument"], out) {
            continue;
        }
        let name = shape::required(policy, "PolicyName", WHAT, out)
            .and_then(|name| shape::string(name, "PolicyName", out))
            .unwrap_or_default();
        if let Some(document) = shape::required(policy, "PolicyDocument", WHAT, out) {
            let origin = Origin { policy: format!("{owner} inline policy {name}").into(), file };
            statements.extend(parse::document(document, Kind::Identity, &origin, out));
        }
    }
    statements
}

fn attached(node: &Node, out: &mut Vec<Diagnostic>) -> Vec<(String, Range<usize>)> {
    let mut arns = Vec::new();
    for policy in shape::list(node, "AttachedManagedPolicies", out) {
        const WHAT: &str = "an attached policy";
        if shape::object(policy, WHAT, &["PolicyName", "PolicyArn"], out)
            && let Some(element) = shape::required(policy, "PolicyArn", WHAT, out)
            && let Some(arn) = shape::string(element, "PolicyArn", out)
        {
            arns.push((arn.to_owned(), element.span.clone()));
        }
    }
    arns
}

fn trust(node: &Node, role: &Arn, file: &File, out: &mut Vec<Diagnostic>) -> Vec<Arc<Statement>> {
    let origin = Origin { policy: format!("{role} trust policy").into(), file };
    shape::required(node, "AssumeRolePolicyDocument", "a role", out)
        .map(|document| parse::document(document, Kind::TRUST, &origin, out))
        .unwrap_or_default()
}

fn policy<'n>(node: &'n Node, file: &File, out: &mut Vec<Diagnostic>) -> Option<ManagedPolicy<'n>> {
    const FIELDS: &[&str] = &[
        "PolicyName",
        "PolicyId",
        "Arn",
        "Path",
        "DefaultVersionId",
        "AttachmentCount",
        "PermissionsBoundaryUsageCount",
        "IsAttachable",
        "Description",
        "CreateDate",
        "UpdateDate",
        "PolicyVersionList",
    ];
    if !shape::object(node, "a managed policy", FIELDS, out) {
        return None;
    }
    let (arn, place) = arn(node, "a managed policy", out)?;
    let document = default_version(node, out);
    let origin = Origin { policy: arn.to_string().into(), file };
    let statements = document.map(|d| parse::document(d, Kind::Identity, &origin, out)).unwrap_or_default();
    Some(ManagedPolicy { arn, place, document, statements })
}

/// The document in force: the version that is marked, or the one that
/// `DefaultVersionId` names. Other versions have no effect and are not read.
fn default_version<'n>(node: &'n Node, out: &mut Vec<Diagnostic>) -> Option<&'n Node> {
    shape::required(node, "PolicyVersionList", "a managed policy", out)?;
    let named = node.get("DefaultVersionId").and_then(Node::string);
    let mut defaults = Vec::new();
    for version in shape::list(node, "PolicyVersionList", out) {
        const WHAT: &str = "a policy version";
        if !shape::object(version, WHAT, &["Document", "VersionId", "IsDefaultVersion", "CreateDate"], out) {
            continue;
        }
        let is_default = match version.get("IsDefaultVersion").map(|marked| &marked.value) {
            Some(Value::Bool(marked)) => *marked,
            Some(_) => {
                version.get("IsDefaultVersion").into_iter().for_each(|marked| {
                    shape::wrong_type(marked, "`IsDefaultVersion`", "a boolean", out);
                });
                false
            }
            None => named.is_some() && version.get("VersionId").and_then(Node::string) == named,
        };
        if is_default {
            defaults.push(version);
        }
    }
    match *defaults.as_slice() {
        [version] => shape::required(version, "Document", "a policy version", out),
        _ => {
            let count = defaults.len();
            out.push(
                Diagnostic::error("IAM0206", format!("a managed policy has {count} default versions"))
                    .at(shape::start(node), "exactly one version must be the default")
                    .help("set `\"IsDefaultVersion\": true` in one element of `PolicyVersionList`"),
            );
            None
        }
    }
}
