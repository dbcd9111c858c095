//! The refusals of Parameter Store that its rules about parameters lead to, in AWS's words.

use super::kms_record::KeyError;
use super::parameter_record::{ADVANCED_BYTES, STANDARD_BYTES};

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
    /// A value is no place for a reference to another parameter.
    #[error("Parameter value can't nest another parameter. Do not use \"{{{{}}}}\" in the value.")]
    ValueNests,
    /// The KMS key does not exist, or cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Somebody else has changed the parameter meanwhile, so that another key is needed.
    #[error("There are concurrent updates for a resource that supports one update at a time.")]
    Concurrent,
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
