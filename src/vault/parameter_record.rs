//! The metadata of a parameter, and Parameter Store's rules about its versions,
//! tiers and selectors.
//!
//! Pure, like [`super::secret_record`]. Versions count up from 1; a hundred are
//! kept, and the oldest goes when the next one is written, unless it has a label.
//!
//! Source: Systems Manager API Reference, `PutParameter`, `GetParameter`; User
//! Guide, "Working with parameter versions", "Managing parameter tiers".

use super::parameter_policies::InlinePolicy;
use super::parameter_sharing::Sharing;
use super::parameter_value::needs_advanced;
use super::scope::Scope;
use super::table::Stored;
use crate::arn::Arn;
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

/// Why Parameter Store refuses. The texts are AWS's where AWS's are known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// No such parameter.
    #[error("Parameter {0} not found.")]
    NotFound(String),
    /// No such version or label.
    #[error("Systems Manager could not find version {selector} of {name}. Verify the version and try again.")]
    NoSuchVersion {
        /// The parameter.
        name: String,
        /// What was asked for.
        selector: String,
    },
    /// It exists, and overwriting was not asked for.
    #[error(
        "The parameter already exists. To overwrite this value, set the overwrite option in the request to true."
    )]
    Exists,
    /// A new parameter needs a type.
    #[error("A parameter type is required when you create a parameter.")]
    TypeMissing,
    /// Tags cannot be given with an overwrite.
    #[error(
        "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove \
         overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or \
         RemoveTagsFromResource."
    )]
    TagsWithOverwrite,
    /// Only a SecureString has a key.
    #[error("KeyId is required for SecureString type parameter only.")]
    KeyWithoutSecureString,
    /// The value is too long for the standard tier.
    #[error(
        "Standard tier parameters support a maximum parameter value of {STANDARD_BYTES} characters. To create a larger \
         parameter value, upgrade the parameter to use the advanced-parameter tier. For more information, see \
         https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html"
    )]
    TooLongForStandard,
    /// The value is too long for any tier.
    #[error(
        "Advanced tier parameters support a maximum parameter value of {ADVANCED_BYTES} characters. To create a larger \
         parameter value, use AWS Secrets Manager."
    )]
    TooLongForAdvanced,
    /// Advanced parameters stay advanced.
    #[error(
        "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the advanced-parameter \
         tier to the standard-parameter tier. If necessary, you can delete the advanced parameter and recreate it as a \
         standard parameter. Be aware that if you delete the parameter, all versions and values of that parameter are \
         lost."
    )]
    Downgrade,
    /// The oldest version has a label and cannot make room.
    #[error(
        "You attempted to create a new version of {name} by calling the PutParameter API with the overwrite flag. \
         Version {version}, the oldest version, can't be deleted because it has a label associated with it. Move the \
         label to another version of the parameter, and try again."
    )]
    OldestIsLabelled {
        /// The parameter.
        name: String,
        /// Its oldest version.
        version: i64,
    },
    /// Parameter policies need the advanced tier.
    #[error(
        "Parameter policies are available for parameters in the advanced-parameter tier only. Set the tier to Advanced \
         or Intelligent-Tiering."
    )]
    PoliciesNeedAdvanced,
    /// `Policies` is no JSON array of objects.
    #[error("Invalid policies input: {0}.")]
    PoliciesUnreadable(String),
    /// More than ten.
    #[error("Number of policies attached to a parameter cannot exceed 10")]
    TooManyPolicies,
    /// There is no such type of policy.
    #[error("Policy type {0} is not supported.")]
    PolicyType(String),
    /// An attribute of a policy is missing or wrong.
    #[error("{0}")]
    PolicyAttribute(String),
    /// Policies that do not go together.
    #[error("{0}")]
    PoliciesConflict(&'static str),
    /// `AllowedPattern` is no regular expression.
    #[error("The request does not meet the regular expression requirement.")]
    NoPattern,
    /// The value does not match the pattern.
    #[error("Parameter value, cannot be validated against allowedPattern: {0}")]
    PatternMismatch(String),
    /// The pattern backtracks too much.
    #[error(
        "The request does not meet the regular expression requirement: the pattern takes too long on this value. Write \
         it without nested repetitions or without look-around."
    )]
    PatternTooSlow,
    /// There is no such data type.
    #[error("The following data type is not supported: {0} (Data type names are all lowercase.)")]
    DataTypeUnknown(String),
    /// Two data types are for ever.
    #[error("The data type of this parameter can't be changed from {from} to {to}.")]
    DataTypeFixed {
        /// What it is.
        from: String,
        /// What it was to become.
        to: String,
    },
    /// Some data types need the advanced tier.
    #[error("The data type {0} is available for parameters in the advanced-parameter tier only.")]
    DataTypeNeedsAdvanced(String),
    /// `aws:ec2:image` is for String.
    #[error("The data type aws:ec2:image is available for parameters of type String only.")]
    DataTypeOfString,
    /// The value is not one of its data type.
    #[error("The parameter value can't be validated against the data type {0}.")]
    DataTypeMismatch(String),
    /// Only advanced parameters are shared.
    #[error("To share a parameter, it must be in the advanced parameter tier.")]
    SharingNeedsAdvanced,
    /// There is a resource policy already.
    #[error(
        "A parameter has one resource policy at most. To update the policy that is attached, specify its PolicyId and \
         PolicyHash."
    )]
    SharedAlready,
    /// There is no resource policy with this id.
    #[error("No policies with the specified policy ID and hash could be found.")]
    NoSuchSharing,
    /// The resource policy is not the one that the caller has seen.
    #[error(
        "The hash provided in the call doesn't match the stored hash. This exception is thrown when trying to update an \
         obsolete policy version or when multiple requests to update a policy are sent."
    )]
    SharingChanged,
    /// Ten labels are on the version.
    #[error(
        "A parameter version can have maximum 10 labels.Move one or more labels to another version and try again."
    )]
    TooManyLabels,
    /// Fifty tags are on the parameter.
    #[error("A parameter can have at most 50 tags.")]
    TooManyTags,
}

impl Stored for ParameterRecord {
    const KIND: u8 = b'P';
    fn id(&self) -> String {
        self.identity()
    }
}

/// The ARN of a parameter: the slash between `parameter` and the name is not doubled.
pub fn parameter_arn(scope: &Scope, name: &str) -> String {
    let resource = format!("parameter/{}", name.strip_prefix('/').unwrap_or(name));
    Arn::new("ssm", &scope.region, &scope.account, resource).to_string()
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
    fn records_of_before_policies_and_sharing_still_open() {
        let mut text = serde_json::to_value(parameter(1)).unwrap();
        let object = text.as_object_mut().unwrap();
        object.remove("sharing");
        object["versions"][0].as_object_mut().unwrap().remove("policies");
        assert_eq!(serde_json::from_value::<ParameterRecord>(text).unwrap(), parameter(1));
    }
}
