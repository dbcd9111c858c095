//! [`LoneDocument`]: one policy document by itself, as people keep it in files of their own or
//! as the AWS CLI prints it, checked without knowing whom it will belong to.
//!
//! ```text
//! {"Statement": ..}                                  the document itself
//! {"PolicyVersion": {"Document": ..}}                aws iam get-policy-version
//! {"PolicyDocument": ..}                             aws iam get-user-policy, get-role-policy, ..
//! {"Role": {"AssumeRolePolicyDocument": ..}}         aws iam get-role
//! {"ResourcePolicy": ".."}, {"Policy": ".."}         aws secretsmanager get-resource-policy, aws kms get-key-policy
//! ```
//!
//! What it is for shows in its elements: one that names principals belongs to a resource, or,
//! without a resource, to a role.

use super::document::Kind;
use super::findings::Findings;
use super::parse::{self, File, Origin};
use super::{FileFindings, LoadErrors, PolicyKind, Source};
use crate::json::{self, Node};

/// A policy document that has no errors.
#[derive(Debug)]
pub struct LoneDocument {
    /// Of an identity, a resource, or a role; as a noun phrase.
    pub what: &'static str,
    /// How many statements it has.
    pub statements: usize,
    /// What is worth a look.
    pub warnings: Vec<FileFindings>,
}

/// Checks the document that stands in a file; `None` if the file is something else, such as a
/// whole account.
///
/// # Errors
/// Every error of the document.
pub fn check_document(source: &Source) -> Option<Result<LoneDocument, LoadErrors>> {
    let root = json::parse(&source.text).ok()?;
    let document = found(&root)?;
    let inner;
    let elements = match document.string() {
        None => document,
        Some(text) => {
            inner = json::parse(&parse::decoded(text).ok()?).ok()?;
            &inner
        }
    };
    let (kind, what) = kind(elements);
    let file = File::new(&source.path, &source.text);
    let origin = Origin { policy: source.path.as_str().into(), file: &file };
    let mut out = Vec::new();
    let statements = parse::document(document, kind, &origin, &mut out).len();
    let mut findings = Findings::new(1);
    findings.extend(0, out);
    let warnings = findings.finish(std::slice::from_ref(source));
    Some(warnings.map(|warnings| LoneDocument { what, statements, warnings }))
}

/// Whether a file is a document by itself, which belongs to nobody.
pub(super) fn is_lone(root: &Node) -> bool {
    found(root).is_some()
}

fn found(root: &Node) -> Option<&Node> {
    const PLACES: [&[&str]; 5] = [
        &["PolicyVersion", "Document"],
        &["PolicyDocument"],
        &["Role", "AssumeRolePolicyDocument"],
        &["ResourcePolicy"],
        &["Policy"],
    ];
    if root.get("Statement").is_some() {
        return Some(root);
    }
    let at = |place: &[&str]| place.iter().try_fold(root, |node, key| node.get(key));
    let is_document = |node: &&Node| node.string().is_some() || node.get("Statement").is_some();
    PLACES.into_iter().find_map(at).filter(is_document)
}

fn kind(document: &Node) -> (Kind, &'static str) {
    let statement = document.get("Statement");
    let one = statement.map(std::slice::from_ref).unwrap_or_default();
    let elements = statement.and_then(Node::array).unwrap_or(one);
    let has = |keys: [&str; 2]| elements.iter().any(|s| keys.iter().any(|key| s.get(key).is_some()));
    match (has(["Principal", "NotPrincipal"]), has(["Resource", "NotResource"])) {
        (false, _) => (Kind::Identity, "a policy of a user, group or role"),
        (true, true) => (Kind::Resource(PolicyKind::SecretsManager), "a policy of a resource"),
        (true, false) => (Kind::TRUST, "a trust policy of a role"),
    }
}
