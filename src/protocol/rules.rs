//! Constraints of the service models: length, range, pattern, set of values; and
//! the words in which AWS says that one is broken.
//!
//! Lengths are counted in characters, as the models mean them, except where a
//! rule says bytes (secret values, whose limit is a size).

use regex::Regex;
use std::sync::LazyLock;

/// A regular expression of a service model. A text matches as a whole.
#[derive(Debug)]
pub struct Pattern {
    /// As the model spells it, for messages.
    pub text: &'static str,
    compiled: LazyLock<Option<Regex>>,
}

macro_rules! patterns {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub static $name: Pattern = Pattern {
            text: $text,
            compiled: LazyLock::new(|| Regex::new(concat!(r"\A(?:", $text, r")\z")).ok()),
        };)*
        #[cfg(test)]
        static PATTERNS: &[&Pattern] = &[$(&$name,)*];
    };
}

patterns! {
    /// Secrets Manager `RegionType`.
    REGION = r"^([a-z]+-)+\d+$";
    /// Secrets Manager `RotationTokenType`.
    ROTATION_TOKEN = r"^[a-zA-Z0-9\-]+$";
    /// Secrets Manager `ResourcePolicyNameType`.
    POLICY_NAME = r"[0-9A-Za-z\-\_]+";
    /// Secrets Manager `DurationType`.
    ROTATION_DURATION = r"[0-9]+h";
    /// Secrets Manager `ScheduleExpressionType`.
    SCHEDULE_EXPRESSION = r"[0-9A-Za-z\(\)#\?\*\-\/, ]+";
    /// Secrets Manager `FilterValueStringType`.
    FILTER_VALUE = r"^\!?[a-zA-Z0-9 :_@\/\+\=\.\-\!]*$";
    /// SSM `ParameterKeyId`.
    KEY_ID = r"^([a-zA-Z0-9:/_-]+)$";
    /// KMS `AliasNameType`.
    ALIAS_NAME = r"^[a-zA-Z0-9:/_-]+$";
    /// KMS `PolicyNameType`.
    KEY_POLICY_NAME = r"[\w]+";
    /// KMS `PolicyType`.
    KEY_POLICY = r"[\u0009\u000A\u000D\u0020-\u00FF]+";
    /// KMS `MarkerType`.
    MARKER = r"[\u0020-\u00FF]*";
    /// KMS `XksKeyIdType`.
    XKS_KEY_ID = r"^[a-zA-Z0-9-_.]+$";
    /// SSM `ParameterStringFilterKey`.
    FILTER_KEY = r"tag:.+|Name|Type|KeyId|Path|Label|Tier|DataType";
    /// SSM `TagKey` and `TagValue`.
    TAG = r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$";
    /// SSM `Policy`, whose own pattern is `^(?!\s*$).+`.
    NOT_BLANK = r"(?s)\s*\S.*";
    /// Sealdock: an AWS account's user, role or root.
    PRINCIPAL = r"arn:[^:]+:iam::\d{12}:(root|(user|role)/.+)";
    /// Sealdock: an AWS account's role.
    ROLE = r"arn:[^:]+:iam::\d{12}:role/.+";
    /// STS `arnType`.
    ROLE_ARN = r"[\u0009\u000A\u000D\u0020-\u007E\u0085\u00A0-\uD7FF\uE000-\uFFFD\u10000-\u10FFFF]+";
    /// STS `sessionPolicyDocumentType`.
    SESSION_POLICY = r"[\u0009\u000A\u000D\u0020-\u00FF]+";
    /// STS `tagKeyType`.
    STS_TAG_KEY = r"[\p{L}\p{Z}\p{N}_.:/=+\-@]+";
    /// STS `tagValueType`.
    STS_TAG_VALUE = r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*";
    /// STS `externalIdType`.
    EXTERNAL_ID = r"[\w+=,.@:\/-]*";
    /// STS `serialNumberType`.
    SERIAL_NUMBER = r"[\w+=/:,.@-]*";
    /// STS `tokenCodeType`.
    TOKEN_CODE = r"[\d]*";
    /// STS `accessKeyIdType`.
    KEY_WORD = r"[\w]*";
    /// STS `roleSessionNameType`.
    SESSION_NAME = r"[\w+=,.@-]*";
    /// IAM `accessKeyIdType`.
    ACCESS_KEY_ID = r"[\w]+";
    /// IAM `userNameType`.
    USER_NAME = r"[\w+=,.@-]+";
}

impl Pattern {
    /// Whether the whole of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        self.compiled.as_ref().is_some_and(|regex| regex.is_match(text))
    }
}

/// Constraints on a text member.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    min: usize,
    max: usize,
    bytes: bool,
    pattern: Option<&'static Pattern>,
    values: Option<&'static [&'static str]>,
    sensitive: bool,
}

impl Text {
    /// `min..=max` characters.
    pub const fn length(min: usize, max: usize) -> Self {
        Self { min, max, bytes: false, pattern: None, values: None, sensitive: false }
    }

    /// Any text.
    pub const fn any() -> Self {
        Self::length(0, usize::MAX)
    }

    /// One of `values`.
    pub const fn one_of(values: &'static [&'static str]) -> Self {
        Self { values: Some(values), ..Self::any() }
    }

    /// And matches `pattern`.
    pub const fn matching(self, pattern: &'static Pattern) -> Self {
        Self { pattern: Some(pattern), ..self }
    }

    /// And is never shown.
    pub const fn sensitive(self) -> Self {
        Self { sensitive: true, ..self }
    }

    /// Lengths count bytes.
    pub const fn in_bytes(self) -> Self {
        Self { bytes: true, ..self }
    }

    /// The constraints that `text` breaks, in AWS's words.
    pub(super) fn broken(&self, text: &str) -> Vec<String> {
        let length = if self.bytes { text.len() } else { text.chars().count() };
        let mut broken = self.broken_length(length);
        if let Some(pattern) = self.pattern.filter(|p| !p.matches(text)) {
            broken.push(format!("Member must satisfy regular expression pattern: {}", pattern.text));
        }
        if let Some(values) = self.values.filter(|v| !v.contains(&text)) {
            broken.push(enum_set(values));
        }
        broken
    }

    /// As [`Text::broken`], for the length alone.
    pub(super) fn broken_length(&self, length: usize) -> Vec<String> {
        let mut broken = Vec::new();
        if length > self.max {
            broken.push(at_most_long(self.max));
        }
        if length < self.min {
            broken.push(at_least_long(self.min));
        }
        broken
    }

    /// Every constraint, for a list of such texts: AWS names them all there.
    pub(super) fn all(&self) -> String {
        let mut all = Vec::new();
        if self.max != usize::MAX {
            all.push(at_most_long(self.max));
            all.push(at_least_long(self.min));
        }
        if let Some(pattern) = self.pattern {
            all.push(format!("Member must satisfy regular expression pattern: {}", pattern.text));
        }
        if let Some(values) = self.values {
            all.push(enum_set(values));
        }
        format!("Member must satisfy constraint: [{}]", all.join(", "))
    }

    /// Whether the text must never be shown.
    pub(super) fn is_sensitive(&self) -> bool {
        self.sensitive
    }
}

/// "Member must have length less than or equal to `max`"
pub(super) fn at_most_long(max: usize) -> String {
    format!("Member must have length less than or equal to {max}")
}

/// "Member must have length greater than or equal to `min`"
pub(super) fn at_least_long(min: usize) -> String {
    format!("Member must have length greater than or equal to {min}")
}

fn enum_set(values: &[&str]) -> String {
    format!("Member must satisfy enum value set: [{}]", values.join(", "))
}

/// Declares an enum whose variants have a spelling on the wire.
macro_rules! spelled {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Every spelling, in the model's order.
            pub const SPELLINGS: &'static [&'static str] = &[$($text,)*];

            /// The spelling on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The variant of a spelling.
            pub fn from_spelling(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}
pub(super) use spelled;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        for pattern in PATTERNS {
            assert!(pattern.compiled.is_some(), "{}", pattern.text);
        }
    }

    #[test]
    fn patterns_match_whole_texts() {
        assert!(REGION.matches("eu-west-1") && REGION.matches("us-gov-west-1"));
        assert!(!REGION.matches("eu-west-1\n") && !REGION.matches("eu"));
        assert!(TAG.matches("Größe 1/2") && !TAG.matches("a;b"));
        assert!(FILTER_VALUE.matches("!prod db") && !FILTER_VALUE.matches("a*"));
        assert!(!SESSION_NAME.matches("a/b") && SESSION_NAME.matches("0af3"));
    }

    #[test]
    fn names_each_broken_constraint() {
        let rule = Text::length(2, 3).matching(&KEY_ID);
        assert_eq!(rule.broken("ab"), Vec::<String>::new());
        assert_eq!(rule.broken("a").len(), 1);
        assert_eq!(
            rule.broken("a b c"),
            vec![
                "Member must have length less than or equal to 3".to_owned(),
                "Member must satisfy regular expression pattern: ^([a-zA-Z0-9:/_-]+)$".to_owned(),
            ]
        );
        assert_eq!(Text::length(1, 2).broken("éé").len(), 0);
        assert_eq!(Text::length(1, 2).in_bytes().broken("éé").len(), 1);
    }
}
