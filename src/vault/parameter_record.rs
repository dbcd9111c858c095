//! The metadata of a parameter, and Parameter Store's rules about its versions,
//! tiers and selectors.
//!
//! Pure, like [`super::secret_record`]. Versions count up from 1; a hundred are
//! kept, and the oldest goes when the next one is written, unless it has a label.
//!
//! Source: Systems Manager API Reference, `PutParameter`, `GetParameter`; User
//! Guide, "Working with parameter versions", "Managing parameter tiers".

use super::parameter_error::ParameterError;
use super::parameter_places::places;
use super::parameter_policies::InlinePolicy;
use super::parameter_sharing::Sharing;
use super::parameter_value::needs_advanced;
use super::scope::Scope;
use super::table::Stored;
use crate::arn::arn;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Most versions of one parameter that are kept.
pub(crate) const MAX_VERSIONS: usize = 100;
/// Largest value of a standard parameter, in bytes.
pub(crate) const STANDARD_BYTES: usize = 4096;
/// Largest value of an advanced parameter, in bytes.
pub(crate) const ADVANCED_BYTES: usize = 8192;

/// A parameter without its values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParameterRecord {
    /// Account and Region.
    pub scope: Scope,
    /// Name, with its leading slash if it has one.
    pub name: String,
    /// Tags.
    pub tags: Vec<(String, String)>,
    /// Kept versions, oldest first; never empty.
    pub versions: Vec<ParameterVersion>,
    /// By what other accounts may read it.
    #[serde(default)]
    pub sharing: Option<Sharing>,
}

/// One version of a parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParameterVersion {
    /// 1, 2, 3, ...
    pub version: i64,
    /// String, StringList or SecureString.
    pub kind: ParameterKind,
    /// KMS key of a SecureString, as the caller named it.
    pub key_id: Option<String>,
    /// ARN of the customer key that seals the value. Without one it is a key of the vault's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_key: Option<String>,
    /// When this version was written.
    pub modified: Timestamp,
    /// ARN of who wrote it.
    pub user: String,
    /// Free text.
    pub description: Option<String>,
    /// Regular expression that values must match.
    pub allowed_pattern: Option<String>,
    /// Standard or Advanced.
    pub tier: Tier,
    /// `text`, `aws:ec2:image`, ...
    pub data_type: String,
    /// Labels of this version.
    pub labels: Vec<String>,
    /// Parameter policies.
    #[serde(default)]
    pub policies: Vec<InlinePolicy>,
    /// Name of the blob that holds the sealed value.
    pub(crate) blob: String,
}

/// Type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the variants are the API's own enum")]
pub enum ParameterKind {
    String,
    StringList,
    SecureString,
}

impl ParameterKind {
    /// The API's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "String",
            Self::StringList => "StringList",
            Self::SecureString => "SecureString",
        }
    }
}

/// Tier of a parameter, as stored: intelligent tiering has chosen one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the variants are the API's own enum")]
pub enum Tier {
    Standard,
    Advanced,
}

impl Tier {
    /// The API's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "Standard",
            Self::Advanced => "Advanced",
        }
    }
}

/// The tier that a caller asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are the API's own enum")]
pub enum WantedTier {
    Standard,
    Advanced,
    IntelligentTiering,
}

/// Which version of a parameter a read names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// No selector.
    Latest,
    /// `name:3`
    Version(i64),
    /// `name:label`
    Label(String),
}

impl Stored for ParameterRecord {
    const KIND: u8 = b'P';
    fn id(&self) -> String {
        self.identity()
    }
    fn places(&self) -> Vec<String> {
        places(self)
    }
}

/// The ARN of a parameter: the slash between `parameter` and the name is not doubled.
pub fn parameter_arn(scope: &Scope, name: &str) -> String {
    let name = name.strip_prefix('/').unwrap_or(name);
    arn("ssm", &scope.region, &scope.account, &["parameter/", name])
}

impl Selector {
    /// As the API echoes it: `:3`, `:label`; nothing for the latest.
    pub fn echo(&self) -> Option<String> {
        match self {
            Self::Latest => None,
            Self::Version(version) => Some(format!(":{version}")),
            Self::Label(label) => Some(format!(":{label}")),
        }
    }
}

impl ParameterRecord {
    /// What tells it from every other parameter of the vault.
    pub fn identity(&self) -> String {
        self.scope.id(&self.name)
    }

    /// The full ARN.
    pub fn arn(&self) -> String {
        parameter_arn(&self.scope, &self.name)
    }

    /// The newest version.
    pub fn latest(&self) -> Option<&ParameterVersion> {
        self.versions.last()
    }

    /// The version that a selector names.
    ///
    /// # Errors
    /// [`ParameterError::NoSuchVersion`].
    pub fn select(&self, selector: &Selector) -> Result<&ParameterVersion, ParameterError> {
        let found = match selector {
            Selector::Latest => self.latest(),
            Selector::Version(version) => self.versions.iter().find(|v| v.version == *version),
            Selector::Label(label) => self.versions.iter().find(|v| v.labels.contains(label)),
        };
        found.ok_or_else(|| ParameterError::NoSuchVersion {
            name: self.name.clone(),
            selector: selector.echo().unwrap_or_default().trim_start_matches(':').to_owned(),
        })
    }

    /// Names of the blobs of all versions.
    pub(crate) fn blobs(&self) -> Vec<String> {
        self.versions.iter().map(|version| version.blob.clone()).collect()
    }

    /// Adds a version; when the hundred are full the oldest goes, and its blob's
    /// name is returned.
    pub(crate) fn add_version(
        &mut self,
        version: ParameterVersion,
    ) -> Result<Option<String>, ParameterError> {
        let mut dropped = None;
        if self.versions.len() >= MAX_VERSIONS
            && let Some(oldest) = self.versions.first()
        {
            if !oldest.labels.is_empty() {
                let (name, version) = (self.name.clone(), oldest.version);
                return Err(ParameterError::OldestIsLabelled { name, version });
            }
            dropped = Some(self.versions.remove(0).blob);
        }
        self.versions.push(version);
        Ok(dropped)
    }
}

/// What decides about the tier of a version, apart from what is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TierNeeds<'a> {
    /// The tier that the parameter has.
    pub(crate) current: Option<Tier>,
    /// Size of the value.
    pub(crate) bytes: usize,
    /// Whether there are parameter policies.
    pub(crate) policies: bool,
    /// The data type.
    pub(crate) data_type: &'a str,
}

/// The tier of a version.
///
/// # Errors
/// Too long for the tier, policies outside the advanced one, or a downgrade.
pub(crate) fn choose_tier(wanted: Option<WantedTier>, needs: TierNeeds<'_>) -> Result<Tier, ParameterError> {
    let TierNeeds { current, bytes, policies, data_type } = needs;
    if wanted == Some(WantedTier::Standard) && current == Some(Tier::Advanced) {
        return Err(ParameterError::Downgrade);
    }
    let intelligent = wanted == Some(WantedTier::IntelligentTiering);
    let chosen = if wanted == Some(WantedTier::Advanced)
        || current == Some(Tier::Advanced)
        || (intelligent && (bytes > STANDARD_BYTES || policies || needs_advanced(data_type)))
    {
        Tier::Advanced
    } else {
        Tier::Standard
    };
    match chosen {
        Tier::Advanced if bytes > ADVANCED_BYTES => Err(ParameterError::TooLongForAdvanced),
        Tier::Standard if bytes > STANDARD_BYTES => Err(ParameterError::TooLongForStandard),
        Tier::Standard if policies => Err(ParameterError::PoliciesNeedAdvanced),
        chosen => Ok(chosen),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A standard parameter `/a` with so many versions.
    pub(crate) fn parameter(versions: i64) -> ParameterRecord {
        let version = |version| ParameterVersion {
            version,
            kind: ParameterKind::String,
            key_id: None,
            customer_key: None,
            modified: Timestamp::UNIX_EPOCH,
            user: String::new(),
            description: None,
            allowed_pattern: None,
            tier: Tier::Standard,
            data_type: "text".into(),
            labels: Vec::new(),
            policies: Vec::new(),
            blob: String::new(),
        };
        ParameterRecord {
            scope: Scope::new("1", "r"),
            name: "/a".into(),
            tags: Vec::new(),
            versions: (1..=versions).map(version).collect(),
            sharing: None,
        }
    }

    #[test]
    fn tiers_follow_needs_and_never_go_down() {
        use WantedTier::{Advanced, IntelligentTiering, Standard};
        let plain = TierNeeds { current: None, bytes: 10, policies: false, data_type: "text" };
        let sized = |bytes| TierNeeds { bytes, ..plain };
        let advanced = TierNeeds { current: Some(Tier::Advanced), ..plain };
        assert_eq!(choose_tier(None, sized(4096)), Ok(Tier::Standard));
        assert_eq!(choose_tier(None, sized(4097)), Err(ParameterError::TooLongForStandard));
        assert_eq!(choose_tier(Some(IntelligentTiering), sized(4097)), Ok(Tier::Advanced));
        assert_eq!(
            choose_tier(Some(IntelligentTiering), sized(8193)),
            Err(ParameterError::TooLongForAdvanced)
        );
        assert_eq!(choose_tier(Some(IntelligentTiering), plain), Ok(Tier::Standard));
        assert_eq!(choose_tier(Some(Advanced), sized(8193)), Err(ParameterError::TooLongForAdvanced));
        assert_eq!(choose_tier(Some(Standard), advanced), Err(ParameterError::Downgrade));
        assert_eq!(choose_tier(None, advanced), Ok(Tier::Advanced));
        let policies = TierNeeds { policies: true, ..plain };
        assert_eq!(choose_tier(None, policies), Err(ParameterError::PoliciesNeedAdvanced));
        assert_eq!(choose_tier(Some(IntelligentTiering), policies), Ok(Tier::Advanced));
        let json = TierNeeds { data_type: "json", ..plain };
        assert_eq!(choose_tier(Some(IntelligentTiering), json), Ok(Tier::Advanced));
    }

    #[test]
    fn arns_have_one_slash() {
        let scope = Scope::new("1", "r");
        assert_eq!(parameter_arn(&scope, "/a/b"), "arn:aws:ssm:r:1:parameter/a/b");
        assert_eq!(parameter_arn(&scope, "p"), "arn:aws:ssm:r:1:parameter/p");
    }

    #[test]
    fn records_of_before_policies_sharing_and_keys_still_open() {
        let mut text = serde_json::to_value(parameter(1)).unwrap();
        let object = text.as_object_mut().unwrap();
        object.remove("sharing");
        object["versions"][0].as_object_mut().unwrap().remove("policies");
        assert_eq!(serde_json::from_value::<ParameterRecord>(text).unwrap(), parameter(1));
    }
}
