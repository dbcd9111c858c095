//! [`Identity`]: a user or a role with the statements that apply to it.

use super::document::Statement;
use super::grams::Grams;
use super::principal::NamedPrincipal;
use super::resource::ResourceSet;
use super::resource_policy::ResourcePolicy;
use crate::arn::Arn;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// What an identity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityKind {
    /// An IAM user.
    User,
    /// An IAM role.
    Role,
}

/// A user or a role.
#[derive(Debug)]
pub struct Identity {
    /// Its ARN, path included.
    pub arn: Arc<Arn>,
    /// The same as text.
    pub arn_text: Arc<str>,
    /// User or role.
    pub kind: IdentityKind,
    /// Its name without the path.
    pub name: String,
    /// `UserId` or `RoleId`. Where the file has none, it is derived from the ARN,
    /// so that it stays the same from one start to the next.
    pub id: Arc<str>,
    /// `MaxSessionDuration` of a role, in seconds; an hour unless its file says otherwise.
    pub longest_session: i64,
    /// `aws:PrincipalTag/..`
    pub tags: Vec<(String, String)>,
    pub(super) statements: StatementIndex,
    /// What the policies can allow at most.
    pub(super) boundary: Option<StatementIndex>,
    /// Who may become it; a user has none.
    pub(super) trust: Option<ResourcePolicy>,
}

impl Identity {
    /// How many statements of how many policies apply to it.
    pub(super) fn counts(&self) -> (usize, usize) {
        let mut policies: Vec<&str> = self.statements.all.iter().map(|s| &*s.matched.policy).collect();
        policies.sort_unstable();
        policies.dedup();
        (self.statements.all.len(), policies.len())
    }

    /// The trust policy of a role.
    pub fn trust_policy(&self) -> Option<&ResourcePolicy> {
        self.trust.as_ref()
    }

    /// Whom the trust policy allows or denies.
    pub(super) fn trusted(&self) -> impl Iterator<Item = &NamedPrincipal> {
        self.trust.iter().flat_map(ResourcePolicy::named)
    }
}

/// An id in the form that AWS uses: a prefix for the kind and 17 letters or digits.
pub(super) fn derived_id(kind: IdentityKind, arn: &str) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let prefix = match kind {
        IdentityKind::User => "AIDA",
        IdentityKind::Role => "AROA",
    };
    let letter = |byte: &u8| LETTERS.get(usize::from(byte % 32)).map_or('A', |&b| char::from(b));
    prefix.chars().chain(Sha256::digest(arn).iter().take(17).map(letter)).collect()
}

/// Statements, found by the service of the requested action.
///
/// A request looks at the statements that name its service and at those that may
/// match any service; an administrator's identity with hundreds of statements on
/// other services costs it nothing, and one with hundreds about other resources little.
#[derive(Debug, Default)]
pub(super) struct StatementIndex {
    all: Vec<Arc<Statement>>,
    /// Lowercase service, and what may match it, in the order of `all`.
    by_service: Vec<(Box<str>, Vec<Entry>)>,
    /// Statements that are not bound to named services.
    any_service: Vec<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// What each resource has that the statement is about.
    required: Grams,
    /// The place of the statement in `all`.
    position: usize,
}

/// Fewer statements than this are compared at once.
const FEW: usize = 8;

impl StatementIndex {
    pub(super) fn new(all: Vec<Arc<Statement>>) -> Self {
        let mut services: Vec<&str> = all.iter().filter_map(|s| s.actions.services()).flatten().collect();
        services.sort_unstable();
        services.dedup();
        let entry = |(position, statement): (usize, &Arc<Statement>)| {
            let required = statement.resources.as_ref().map(ResourceSet::grams).unwrap_or_default();
            Entry { required, position }
        };
        let entries: Vec<Entry> = all.iter().enumerate().map(entry).collect();
        let those = |may: &dyn Fn(&Statement) -> bool| {
            all.iter()
                .zip(&entries)
                .filter(|(statement, _)| may(statement))
                .map(|(_, entry)| *entry)
                .collect()
        };
        let any_service = those(&|statement| statement.actions.services().is_none());
        let of = |service: &str| {
            those(&|s| s.actions.services().is_none_or(|mut named| named.any(|name| name == service)))
        };
        let by_service = services.into_iter().map(|service| (Box::from(service), of(service))).collect();
        Self { all, by_service, any_service }
    }

    /// The statements that can match an action of `service`, in their order.
    pub(super) fn of_service(&self, service: &str) -> impl Iterator<Item = &Statement> {
        self.statements(self.entries(service), Grams::ANY)
    }

    /// As [`StatementIndex::of_service`], without most of those that are about other resources.
    pub(super) fn about(&self, service: &str, resource: &str) -> impl Iterator<Item = &Statement> {
        let entries = self.entries(service);
        let present = if entries.len() < FEW { Grams::ANY } else { Grams::of(resource) };
        self.statements(entries, present)
    }

    fn entries(&self, service: &str) -> &[Entry] {
        let named = self.by_service.iter().find(|(named, _)| named.eq_ignore_ascii_case(service));
        named.map_or(&self.any_service, |(_, entries)| entries)
    }

    fn statements<'a>(&'a self, entries: &'a [Entry], present: Grams) -> impl Iterator<Item = &'a Statement> {
        let possible = entries.iter().filter(move |entry| entry.required.may_be_in(present));
        possible.filter_map(|entry| self.all.get(entry.position)).map(AsRef::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_look_like_those_of_aws_and_stay() {
        let id = derived_id(IdentityKind::Role, "arn:aws:iam::111122223333:role/app");
        assert_eq!(id, derived_id(IdentityKind::Role, "arn:aws:iam::111122223333:role/app"));
        assert_ne!(id, derived_id(IdentityKind::Role, "arn:aws:iam::111122223333:role/other"));
        assert!(id.starts_with("AROA") && id.len() == 21, "{id}");
    }
}
