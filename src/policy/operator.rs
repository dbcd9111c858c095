//! [`Operator`]: the name of a condition operator, taken apart.
//!
//! ```text
//! ForAnyValue:StringNotEqualsIfExists
//! ^quantifier ^test  ^negated ^if_exists
//! ```
//!
//! Source: IAM User Guide, "IAM JSON policy elements: Condition operators".

use crate::diagnostic::nearest;

/// A condition operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operator {
    pub(super) quantifier: Quantifier,
    pub(super) test: Test,
    /// The condition holds if no value of the policy matches.
    pub(super) negated: bool,
    /// The condition holds if the request does not have the key.
    pub(super) if_exists: bool,
}

/// How many of the request's values must pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantifier {
    /// The key has one value.
    One,
    /// `ForAllValues:`
    All,
    /// `ForAnyValue:`
    Any,
}

/// What is compared, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    StringEquals,
    StringEqualsIgnoreCase,
    StringLike,
    Numeric(Order),
    Date(Order),
    Bool,
    BinaryEquals,
    IpAddress,
    /// `ArnEquals` and `ArnLike` are the same.
    Arn,
    Null,
}

/// How the request's value must stand to the policy's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    pub(super) fn holds(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

/// Names without prefix and suffix.
const NAMES: [(&str, Test, bool); 27] = [
    ("StringEquals", Test::StringEquals, false),
    ("StringNotEquals", Test::StringEquals, true),
    ("StringEqualsIgnoreCase", Test::StringEqualsIgnoreCase, false),
    ("StringNotEqualsIgnoreCase", Test::StringEqualsIgnoreCase, true),
    ("StringLike", Test::StringLike, false),
    ("StringNotLike", Test::StringLike, true),
    ("NumericEquals", Test::Numeric(Order::Equal), false),
    ("NumericNotEquals", Test::Numeric(Order::Equal), true),
    ("NumericLessThan", Test::Numeric(Order::Less), false),
    ("NumericLessThanEquals", Test::Numeric(Order::LessOrEqual), false),
    ("NumericGreaterThan", Test::Numeric(Order::Greater), false),
    ("NumericGreaterThanEquals", Test::Numeric(Order::GreaterOrEqual), false),
    ("DateEquals", Test::Date(Order::Equal), false),
    ("DateNotEquals", Test::Date(Order::Equal), true),
    ("DateLessThan", Test::Date(Order::Less), false),
    ("DateLessThanEquals", Test::Date(Order::LessOrEqual), false),
    ("DateGreaterThan", Test::Date(Order::Greater), false),
    ("DateGreaterThanEquals", Test::Date(Order::GreaterOrEqual), false),
    ("Bool", Test::Bool, false),
    ("BinaryEquals", Test::BinaryEquals, false),
    ("IpAddress", Test::IpAddress, false),
    ("NotIpAddress", Test::IpAddress, true),
    ("ArnEquals", Test::Arn, false),
    ("ArnNotEquals", Test::Arn, true),
    ("ArnLike", Test::Arn, false),
    ("ArnNotLike", Test::Arn, true),
    ("Null", Test::Null, false),
];

const PREFIXES: [(&str, Quantifier); 2] =
    [("ForAllValues:", Quantifier::All), ("ForAnyValue:", Quantifier::Any)];
const SUFFIX: &str = "IfExists";

impl Operator {
    /// Reads the name.
    ///
    /// # Errors
    /// The nearest name that exists, if one is near.
    pub(super) fn parse(text: &str) -> Result<Self, Option<String>> {
        let prefixed = PREFIXES.into_iter().find_map(|(p, q)| text.strip_prefix(p).map(|rest| (q, rest)));
        let (quantifier, rest) = prefixed.unwrap_or((Quantifier::One, text));
        let (name, if_exists) = match rest.strip_suffix(SUFFIX) {
            Some(name) => (name, true),
            None => (rest, false),
        };
        let found =
            NAMES.into_iter().find(|(known, test, _)| *known == name && !(if_exists && *test == Test::Null));
        let Some((_, test, negated)) = found else { return Err(similar(text)) };
        Ok(Self { quantifier, test, negated, if_exists })
    }
}

/// Each part is looked up for itself, so that a slip in one of them is found.
fn similar(text: &str) -> Option<String> {
    if let Some(null) = text.strip_suffix(SUFFIX).filter(|text| text.ends_with("Null")) {
        return Some(null.to_owned());
    }
    let (prefix, rest) = match text.split_once(':') {
        None => ("", text),
        Some((prefix, rest)) => {
            let all = PREFIXES.map(|(known, _)| known.trim_end_matches(':'));
            (nearest(prefix, all)?, rest)
        }
    };
    let candidates: Vec<String> = NAMES
        .into_iter()
        .flat_map(|(name, test, _)| {
            let with = (test != Test::Null).then(|| format!("{name}{SUFFIX}"));
            [Some(name.to_owned()), with]
        })
        .flatten()
        .collect();
    let near = nearest(rest, candidates.iter().map(String::as_str))?;
    Some(if prefix.is_empty() { near.to_owned() } else { format!("{prefix}:{near}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_names_apart() {
        assert_eq!(
            Operator::parse("ForAnyValue:StringNotEqualsIfExists"),
            Ok(Operator {
                quantifier: Quantifier::Any,
                test: Test::StringEquals,
                negated: true,
                if_exists: true
            })
        );
        for (name, _, _) in NAMES {
            assert!(
                Operator::parse(name).is_ok() && Operator::parse(&format!("ForAllValues:{name}")).is_ok()
            );
            assert_eq!(Operator::parse(&format!("{name}IfExists")).is_ok(), name != "Null");
        }
    }

    #[test]
    fn suggests_the_nearest() {
        for (text, near) in [
            ("StringEqual", Some("StringEquals")),
            ("stringlike", Some("StringLike")),
            ("StringEqualsIfExist", Some("StringEqualsIfExists")),
            ("ForAnyValues:StringLike", Some("ForAnyValue:StringLike")),
            ("ForAllValues:ArnLikes", Some("ForAllValues:ArnLike")),
            ("NullIfExists", Some("Null")),
            ("Banana", None),
        ] {
            assert_eq!(Operator::parse(text), Err(near.map(str::to_owned)), "{text}");
        }
    }
}
