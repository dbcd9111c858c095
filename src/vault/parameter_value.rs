//! What the value of a parameter must be like: `AllowedPattern` and `DataType`.
//!
//! Patterns are those of Java as far as they are common: look-around and back references
//! among them. A pattern covers the whole value. Those that need no backtracking take time
//! linear in the value; the others are given up after so many steps, and then the value is
//! refused.
//!
//! The items of a StringList are checked one by one against the data type.
//!
//! Source: Systems Manager User Guide, "Parameter data types in Parameter Store". AWS does not
//! publish the expressions behind the data types; these follow the standards that it names.

use super::parameter_error::ParameterError;
use super::parameter_record::{ParameterKind, Tier};
use crate::secret::SecretValue;
use std::net::{Ipv4Addr, Ipv6Addr};
use zeroize::Zeroizing;

/// Steps of backtracking before a pattern is given up: a fraction of a second.
const STEPS: usize = 100_000;

/// Most memory of a compiled pattern, in bytes.
const COMPILED: usize = 1 << 20;

/// A value holds no reference to a parameter: `{{ssm:name}}`, or anything else in double braces.
pub(crate) fn check_value(value: &SecretValue) -> Result<(), ParameterError> {
    let nests = text(value).split_once("{{").is_some_and(|(_, rest)| rest.contains("}}"));
    if nests { Err(ParameterError::ValueNests) } else { Ok(()) }
}

/// The value must match the whole pattern; an empty one is none.
pub(crate) fn check_pattern(pattern: &str, value: &SecretValue) -> Result<(), ParameterError> {
    if pattern.is_empty() {
        return Ok(());
    }
    let build = |text: &str| {
        fancy_regex::RegexBuilder::new(text)
            .backtrack_limit(STEPS)
            .delegate_size_limit(COMPILED)
            .build()
            .map_err(|_| ParameterError::NoPattern)
    };
    // Alone first: a pattern must not be able to close the group that is put around it.
    build(pattern)?;
    let regex = build(&format!(r"\A(?:{pattern})\z"))?;
    match regex.is_match(text(value)) {
        Ok(true) => Ok(()),
        Ok(false) => Err(ParameterError::PatternMismatch(pattern.to_owned())),
        Err(_) => Err(ParameterError::PatternTooSlow),
    }
}

/// Every data type, in the order of the API reference.
const DATA_TYPES: [&str; 16] = [
    "text",
    "aws:ec2:image",
    "aws:ssm:integration",
    "aws:region",
    "aws:account:id",
    "boolean",
    "integer",
    "float",
    "binary",
    "hostname",
    "email",
    "ipv4-address",
    "ipv6-address",
    "url",
    "json",
    "jsonc",
];

/// The default data type.
pub(crate) const TEXT: &str = "text";

/// Whether only advanced parameters have this data type.
pub(crate) fn needs_advanced(data_type: &str) -> bool {
    ["url", "json", "jsonc"].contains(&data_type)
}

/// The value must be one of its data type, and the parameter of a type and tier that has it.
pub(crate) fn check_data_type(
    data_type: &str,
    current: Option<&str>,
    (kind, tier): (ParameterKind, Tier),
    value: &SecretValue,
) -> Result<(), ParameterError> {
    if !DATA_TYPES.contains(&data_type) {
        return Err(ParameterError::DataTypeUnknown(data_type.to_owned()));
    }
    let fixed = |name: &str| ["aws:ec2:image", "aws:ssm:integration"].contains(&name);
    if let Some(current) = current.filter(|current| *current != data_type)
        && (fixed(current) || fixed(data_type))
    {
        return Err(ParameterError::DataTypeFixed { from: current.to_owned(), to: data_type.to_owned() });
    }
    if needs_advanced(data_type) && tier != Tier::Advanced {
        return Err(ParameterError::DataTypeNeedsAdvanced(data_type.to_owned()));
    }
    if data_type == "aws:ec2:image" && kind != ParameterKind::String {
        return Err(ParameterError::DataTypeOfString);
    }
    let text = text(value);
    let fits = match kind {
        ParameterKind::StringList => text.split(',').all(|item| is_one(data_type, item)),
        ParameterKind::String | ParameterKind::SecureString => is_one(data_type, text),
    };
    if fits { Ok(()) } else { Err(ParameterError::DataTypeMismatch(data_type.to_owned())) }
}

fn is_one(data_type: &str, text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match data_type {
        "aws:ec2:image" => text.strip_prefix("ami-").is_some_and(|id| {
            [8, 17].contains(&id.len())
                && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        }),
        "aws:region" => crate::arn::is_region(text),
        "aws:account:id" => crate::arn::is_account_id(text),
        "boolean" => ["true", "false"].contains(&text),
        "integer" => digits(text.strip_prefix(['-', '+']).unwrap_or(text)),
        "float" => {
            let finite = text.parse::<f64>().is_ok_and(f64::is_finite);
            finite && text.bytes().any(|b| b.is_ascii_digit())
        }
        "binary" => {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.decode(text).map(Zeroizing::new).is_ok()
        }
        "hostname" => is_hostname(text),
        "email" => text.rsplit_once('@').is_some_and(|(local, domain)| {
            let atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(c);
            let dotted = local.split('.').all(|part| !part.is_empty() && part.chars().all(atom));
            local.len() <= 64 && dotted && domain.contains('.') && is_hostname(domain)
        }),
        "ipv4-address" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6-address" => text.parse::<Ipv6Addr>().is_ok(),
        "url" => is_url(text),
        "json" => is_json(text),
        "jsonc" => is_jsonc(text),
        // text, aws:ssm:integration
        _ => true,
    }
}

/// RFC 1123: labels of letters, digits and hyphens, 63 characters each and 253 in all.
fn is_hostname(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

/// A scheme, and a host with nothing in it that a URL has to escape.
fn is_url(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_graphic() && !br#""<>\^`{|}"#.contains(&b));
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let named = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    plain && named && !rest.is_empty() && !rest.starts_with(['/', '?', '#'])
}

/// JSON with comments, and with commas after the last elements: what is left without them is JSON.
fn is_jsonc(text: &str) -> bool {
    // Exactly as long as the text at most, so that no copy is left behind by growing.
    let mut bare = Zeroizing::new(String::with_capacity(text.len()));
    let (mut rest, mut string) = (text, false);
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '\\' if string => 1 + rest.chars().nth(1).map_or(0, char::len_utf8),
            '"' => {
                string = !string;
                1
            }
            '/' if !string && rest.starts_with("//") => {
                rest = rest.split_once('\n').map_or("", |(_, after)| after);
                continue;
            }
            '/' if !string && rest.starts_with("/*") => match rest.split_once("*/") {
                Some((_, after)) => {
                    rest = after;
                    continue;
                }
                None => return false,
            },
            ']' | '}' if !string => {
                let before = bare.trim_end().strip_suffix(',').map(str::len);
                if let Some(before) = before {
                    bare.truncate(before);
                }
                1
            }
            other => other.len_utf8(),
        };
        let (part, after) = rest.split_at(length);
        bare.push_str(part);
        rest = after;
    }
    is_json(&bare)
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Values are UTF-8 because they come from JSON.
fn text(value: &SecretValue) -> &str {
    #[expect(
        clippy::disallowed_methods,
        reason = "the value is checked against its pattern and data type, and goes nowhere from here"
    )]
    std::str::from_utf8(value.expose()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn matched(pattern: &str, value: &str) -> Result<(), ParameterError> {
        check_pattern(pattern, &SecretValue::from(value.to_owned()))
    }

    #[test]
    fn patterns_cover_the_whole_value() {
        assert_eq!(matched(r"\d+", "123"), Ok(()));
        assert_eq!(matched("", "anything"), Ok(()));
        assert_eq!(matched(r"\d+", "123a"), Err(ParameterError::PatternMismatch(r"\d+".into())));
        assert_eq!(matched("a|b", "ab"), Err(ParameterError::PatternMismatch("a|b".into())));
        for bad in ["[a-z", "a)(b", "(?<", "*"] {
            assert_eq!(matched(bad, "a"), Err(ParameterError::NoPattern), "{bad}");
        }
    }

    #[test]
    fn patterns_look_around() {
        let strong = r"^(?=.*[A-Z])(?=.*\d)(?!.*\s).{8,}$";
        assert_eq!(matched(strong, "Abcdefg1"), Ok(()));
        assert!(matched(strong, "abcdefg1").is_err() && matched(strong, "Abc defg1").is_err());
        assert_eq!(matched(r"(a|b)\1", "aa"), Ok(()));
        assert!(matched(r"(a|b)\1", "ab").is_err());
    }

    #[test]
    fn values_nest_nothing() {
        let check = |text: &str| check_value(&SecretValue::from(text.to_owned()));
        for good in ["", "{}", "{{", "}}{{", r#"{"a":{"b":{}}}"#, "${a}"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["{{}}", "a{{ssm:b}}", "{{ .x\n }}"] {
            assert_eq!(check(bad), Err(ParameterError::ValueNests), "{bad}");
        }
    }

    #[test]
    fn hostile_patterns_are_given_up() {
        let value = format!("{}!", "a".repeat(8000));
        for pattern in [
            r"(a+)+",
            r"(a|a?)+",
            r"(?=(a+)+$)(a+)+",
            r"(a|aa)+\1(?!b)",
            r"(x+x+)+y\1|(?=(a*)*b).*",
            "a{1000}{1000}",
        ] {
            let begun = Instant::now();
            assert!(matched(pattern, &value).is_err(), "{pattern}");
            assert!(begun.elapsed() < Duration::from_secs(5), "{pattern}: {:?}", begun.elapsed());
        }
    }

    #[test]
    fn data_types() {
        let table: [(&str, &[&str], &[&str]); 15] = [
            ("text", &["", "x"], &[]),
            (
                "aws:ec2:image",
                &["ami-12345abc", "ami-0123456789abcdef0"],
                &["ami-", "ami-XYZ45abc", "12345abc"],
            ),
            ("aws:region", &["eu-central-1"], &["europe", "eu-central"]),
            ("aws:account:id", &["123456789012"], &["12345678901", "12345678901a"]),
            ("boolean", &["true", "false"], &["True", "1", ""]),
            ("integer", &["443", "-1", "+7"], &["", "-", "1.0", "1e3", "0x1"]),
            ("float", &["1.5", "-2", "1e3", ".5"], &["", "x", "inf", "NaN", "1,5"]),
            ("binary", &["aGFsbG8="], &["aGFsbG8", "%"]),
            ("hostname", &["db-1.example.com", "localhost"], &["-a", "a..b", "a_b", "a b", ""]),
            ("email", &["a.b+c@example.com"], &["a@b", "@example.com", "a..b@example.com", "a@b@"]),
            ("ipv4-address", &["10.0.0.1"], &["10.0.0", "256.1.1.1", "::1"]),
            ("ipv6-address", &["::1", "2001:db8::a"], &["10.0.0.1", "g::"]),
            (
                "url",
                &["https://example.com/a?b=c#d"],
                &["example.com", "http://", "ht tp://a", "https:///a", "//a"],
            ),
            ("json", &[r#"{"a":[1]}"#, "null"], &["{", "", "{'a':1}", "// c\n1"]),
            (
                "jsonc",
                &["// c\n{\"a\":1,}", "/* [ */ [\"//\", \"a\\\"/*\",\n]", "1 // end", r#""\\""#],
                &["{", "", "{a", "/* 1", "[,,]", "\"//", "\"\\"],
            ),
        ];
        for (data_type, good, bad) in table {
            for text in good {
                assert!(is_one(data_type, text), "{data_type}: {text}");
            }
            for text in bad {
                assert!(!is_one(data_type, text), "{data_type}: {text}");
            }
        }
    }

    #[test]
    fn data_types_have_rules() {
        let check = |data_type, current, kind, tier, text: &str| {
            check_data_type(data_type, current, (kind, tier), &SecretValue::from(text.to_owned()))
        };
        use ParameterKind::{SecureString, String, StringList};
        use Tier::{Advanced, Standard};
        assert_eq!(check("integer", Some("text"), StringList, Standard, "1,2,3"), Ok(()));
        assert_eq!(
            check("integer", None, StringList, Standard, "1,,3"),
            Err(ParameterError::DataTypeMismatch("integer".into()))
        );
        assert_eq!(check("json", None, SecureString, Advanced, "[]"), Ok(()));
        assert_eq!(
            check("json", None, String, Standard, "[]"),
            Err(ParameterError::DataTypeNeedsAdvanced("json".into()))
        );
        assert_eq!(
            check("aws:ec2:image", Some("text"), String, Standard, "ami-12345abc"),
            Err(ParameterError::DataTypeFixed { from: "text".into(), to: "aws:ec2:image".into() })
        );
        assert_eq!(
            check("aws:ec2:image", None, SecureString, Standard, "ami-12345abc"),
            Err(ParameterError::DataTypeOfString)
        );
        assert_eq!(
            check("Text", None, String, Standard, ""),
            Err(ParameterError::DataTypeUnknown("Text".into()))
        );
    }
}
