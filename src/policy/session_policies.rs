//! [`SessionPolicies`]: what a session may do at most, as it was said when the session
//! was made.
//!
//! They are one inline document and up to ten managed policies. Together they are one
//! limit: what none of them allows, the session may not do.
//!
//! Source: IAM User Guide, "Policies and permissions in IAM", "Session policies".

use super::document::Kind;
use super::identity::StatementIndex;
use super::parse::{self, File, Origin};
use super::{FileFindings, PolicySet, link};
use crate::diagnostic::{Diagnostic, Severity};
use crate::json;

/// The policies of a session, compiled. The default allows nothing.
#[derive(Debug, Default)]
pub struct SessionPolicies {
    pub(super) statements: StatementIndex,
}

impl PolicySet {
    /// Compiles the policies that a session was made with: an inline document, and
    /// managed policies by ARN. `None` if there are none: then nothing is limited.
    ///
    /// # Errors
    /// Every error of the document, and every ARN that no file defines.
    pub fn session_policies(
        &self,
        inline: Option<&str>,
        arns: &[String],
    ) -> Result<Option<SessionPolicies>, FileFindings> {
        if inline.is_none() && arns.is_empty() {
            return Ok(None);
        }
        let (mut found, mut all) = (Vec::new(), Vec::new());
        if let Some(text) = inline {
            match json::parse(text) {
                Ok(node) => {
                    let file = File::new("", text);
                    let origin = Origin { policy: "session policy".into(), file: &file };
                    all.extend(parse::document(&node, Kind::Identity, &origin, &mut found));
                }
                Err(error) => found.push(error),
            }
        }
        for arn in arns {
            match link::managed_policy(arn, &self.managed) {
                Some(statements) => all.extend(statements),
                None => found.push(Diagnostic::error("IAM0202", format!("policy `{arn}` is not defined"))),
            }
        }
        found.retain(|finding| finding.severity == Severity::Error);
        if !found.is_empty() {
            let text = inline.unwrap_or_default().to_owned();
            return Err(FileFindings { path: "session policy".into(), text, diagnostics: found });
        }
        Ok(Some(SessionPolicies { statements: StatementIndex::new(all) }))
    }
}
