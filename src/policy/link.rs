//! All files together: one [`PolicySet`] or every error of every file.
//!
//! Attached policies are found by ARN and groups by name within the account.
//! Nothing may be defined twice, except that the managed policies of AWS, whose
//! ARNs are the same in every account, may stand in several exports if they say
//! the same.

use super::account::{self, Account, Detail, DetailKind, ManagedPolicy};
use super::document::{Kind, Statement};
use super::findings::Findings;
use super::identity::{Identity, IdentityKind, StatementIndex, derived_id};
use super::parse::{self, File, Origin};
use super::{LoadErrors, PolicyKind, PolicySet, ResourcePolicy, Source, managed};
use crate::arn::Arn;
use crate::diagnostic::{Diagnostic, line_column, nearest};
use crate::json::{self, Node, Value};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

/// Compiles the files together.
pub(super) fn load(sources: &[Source]) -> Result<PolicySet, LoadErrors> {
    let mut findings = Findings::new(sources.len());
    let mut roots = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        match json::parse(&source.text) {
            Ok(root) => roots.push((index, root)),
            Err(error) => findings.push(index, error),
        }
    }
    let mut accounts = Vec::new();
    for (index, root) in &roots {
        let Some(source) = sources.get(*index) else { continue };
        let mut found = Vec::new();
        accounts.push((*index, account::read(root, &File::new(&source.path, &source.text), &mut found)));
        findings.extend(*index, found);
    }
    let mut linker = Linker { sources, findings, defined: HashMap::new() };
    let policies = linker.policies(&accounts);
    linker.unique_details(&accounts);
    let groups = linker.groups(&accounts, &policies);
    let identities = linker.identities(accounts, &policies, &groups);
    let warnings = linker.findings.finish(sources)?;
    Ok(PolicySet::new(identities, policies, digest(sources), warnings))
}

/// Hex SHA-256 over the texts in order of path, each with its length in front, so
/// that no two different sets of texts run together into the same bytes.
pub(super) fn digest(sources: &[Source]) -> String {
    let mut sorted: Vec<&Source> = sources.iter().collect();
    sorted.sort_by(|a, b| a.path.cmp(&b.path));
    let mut hash = Sha256::new();
    for source in sorted {
        hash.update(u64::try_from(source.text.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(source.text.as_bytes());
    }
    hex::encode(hash.finalize())
}

/// Statements of a managed policy.
pub(super) type Statements = Vec<Arc<Statement>>;

/// What a group gives to its members: each policy once, by ARN or as inline.
struct Group {
    inline: Statements,
    attached: Vec<String>,
}

/// Partition, account and name.
type GroupKey = (String, String, String);

struct Linker<'s> {
    sources: &'s [Source],
    findings: Findings,
    /// Where each ARN was defined first.
    defined: HashMap<Arn, (usize, Range<usize>)>,
}

impl Linker<'_> {
    /// Managed policies by ARN.
    fn policies(&mut self, accounts: &[(usize, Account<'_>)]) -> HashMap<String, Statements> {
        let mut documents: HashMap<&Arn, Option<&Node>> = HashMap::new();
        let mut policies = HashMap::new();
        for (file, account) in accounts {
            for policy in &account.policies {
                let ManagedPolicy { arn, place, document, statements } = policy;
                let earlier = documents.insert(arn, *document);
                let shared = managed::is_managed_by_aws(arn)
                    && earlier.flatten().zip(*document).is_some_and(|(a, b)| same_value(a, b));
                if !shared {
                    self.define(*file, arn, place);
                }
                policies.insert(arn.to_string(), statements.clone());
            }
        }
        policies
    }

    fn unique_details(&mut self, accounts: &[(usize, Account<'_>)]) {
        for (file, account) in accounts {
            for detail in &account.details {
                self.define(*file, &detail.arn, &detail.place);
            }
        }
    }

    fn define(&mut self, file: usize, arn: &Arn, place: &Range<usize>) {
        let Some((first_file, first)) = self.defined.get(arn) else {
            self.defined.insert(arn.clone(), (file, place.clone()));
            return;
        };
        let error =
            Diagnostic::error("IAM0201", format!("`{arn}` is defined twice")).at(place.clone(), "again here");
        let error = match self.sources.get(*first_file) {
            Some(source) if *first_file != file => {
                let (line, column) = line_column(&source.text, first.start);
                error.help(format!("it was first defined at {}:{line}:{column}", source.path))
            }
            _ => error.with(first.clone(), "first here"),
        };
        self.findings.push(file, error);
    }

    fn groups(
        &mut self,
        accounts: &[(usize, Account<'_>)],
        policies: &HashMap<String, Statements>,
    ) -> HashMap<GroupKey, Group> {
        let mut groups = HashMap::new();
        for (file, account) in accounts {
            for group in account.details.iter().filter(|detail| detail.kind == DetailKind::Group) {
                let attached = self.attached(*file, group, policies);
                let inline = group.inline.clone();
                groups.insert(group_key(&group.arn, &group.name), Group { inline, attached });
            }
        }
        groups
    }

    /// The attached policies that exist; the others are errors.
    fn attached(
        &mut self,
        file: usize,
        detail: &Detail,
        policies: &HashMap<String, Statements>,
    ) -> Vec<String> {
        let mut found = Vec::new();
        for (arn, place) in &detail.attached {
            if self.exists(file, arn, place, "attached here", policies) {
                found.push(arn.clone());
            }
        }
        found
    }

    fn exists(
        &mut self,
        file: usize,
        arn: &str,
        place: &Range<usize>,
        how: &str,
        policies: &HashMap<String, Statements>,
    ) -> bool {
        if policies.contains_key(arn) || managed::document(arn).is_some() {
            return true;
        }
        let near = nearest(arn.rsplit('/').next().unwrap_or(arn), managed::names());
        let near = near.map(|name| format!("; a similar policy is built in: `{name}`")).unwrap_or_default();
        self.findings.push(
            file,
            Diagnostic::error("IAM0202", format!("the document of policy `{arn}` is missing"))
                .at(place.clone(), how)
                .help(format!("put the policy into `Policies` of any file, as it stands in an export{near}")),
        );
        false
    }

    fn identities(
        &mut self,
        accounts: Vec<(usize, Account<'_>)>,
        policies: &HashMap<String, Statements>,
        groups: &HashMap<GroupKey, Group>,
    ) -> Vec<Identity> {
        let mut identities = Vec::new();
        for (file, account) in accounts {
            for detail in account.details {
                let kind = match detail.kind {
                    DetailKind::Group => continue,
                    DetailKind::Role => IdentityKind::Role,
                    DetailKind::User => IdentityKind::User,
                };
                let statements = self.statements(file, &detail, policies, groups);
                let Detail { arn, name, id, trust, boundary, tags, longest_session, .. } = detail;
                let boundary = boundary.and_then(|(limit, place)| {
                    self.exists(file, &limit, &place, "a boundary here", policies)
                        .then(|| StatementIndex::new(managed_policy(&limit, policies).unwrap_or_default()))
                });
                let trust =
                    (kind == IdentityKind::Role).then(|| ResourcePolicy::new(PolicyKind::Trust, trust));
                let arn_text: Arc<str> = arn.to_string().into();
                let id = id.unwrap_or_else(|| derived_id(kind, &arn_text)).into();
                let arn = Arc::new(arn);
                let longest_session = longest_session.unwrap_or(3600);
                identities.push(Identity {
                    arn,
                    arn_text,
                    kind,
                    name,
                    id,
                    longest_session,
                    tags,
                    statements,
                    boundary,
                    trust,
                });
            }
        }
        identities
    }

    /// Inline statements, then those of groups, then attached policies, each policy once.
    fn statements(
        &mut self,
        file: usize,
        detail: &Detail,
        policies: &HashMap<String, Statements>,
        groups: &HashMap<GroupKey, Group>,
    ) -> StatementIndex {
        let mut all = detail.inline.clone();
        let mut attached = self.attached(file, detail, policies);
        for (name, place) in &detail.groups {
            let Some(group) = groups.get(&group_key(&detail.arn, name)) else {
                self.findings.push(
                    file,
                    Diagnostic::error("IAM0203", format!("group `{name}` is not defined"))
                        .at(place.clone(), format!("no such group in account {}", detail.arn.account))
                        .help("add it to `GroupDetailList` of any file"),
                );
                continue;
            };
            all.extend(group.inline.iter().cloned());
            attached.extend(group.attached.iter().cloned());
        }
        let mut seen = HashSet::new();
        for arn in attached.iter().filter(|arn| seen.insert(arn.as_str())) {
            all.extend(managed_policy(arn, policies).unwrap_or_default());
        }
        StatementIndex::new(all)
    }
}

fn group_key(arn: &Arn, name: &str) -> GroupKey {
    (arn.partition.clone(), arn.account.clone(), name.to_owned())
}

/// The statements of a managed policy: of the files, or built in.
pub(super) fn managed_policy(arn: &str, policies: &HashMap<String, Statements>) -> Option<Statements> {
    if let Some(statements) = policies.get(arn) {
        return Some(statements.clone());
    }
    let text = managed::document(arn)?;
    let node = json::parse(text).ok()?;
    let file = File::new("built in", text);
    let origin = Origin { policy: arn.into(), file: &file };
    Some(parse::document(&node, Kind::Identity, &origin, &mut Vec::new()))
}

/// Whether two documents say the same, wherever they stand.
fn same_value(a: &Node, b: &Node) -> bool {
    match (&a.value, &b.value) {
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_value(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|(a, b)| a.key == b.key && same_value(&a.value, &b.value))
        }
        (a, b) => a == b,
    }
}
