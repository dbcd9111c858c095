//! The text that a container gets for a secret.
//!
//! Without a JSON key it is the secret, byte for byte. With one, the ECS agent
//! decodes the secret as a JSON object and prints the member with Go's `%v`:
//!
//! ```text
//! "abc"            abc          null            <nil>
//! 5432  1.50       5432  1.5    true            true
//! 12345678         1.2345678e+07 (from one million on, and below 0.0001)
//! {"y":"b","x":1}  map[x:1 y:b] [1,"two",null]  [1 two <nil>]
//! ```
//!
//! The member is looked up literally at the top level; of several with the same
//! name the last counts. Errors are the agent's texts; the most that they show of
//! a secret is the one byte, or the short number, that could not be read. The
//! plaintext is only ever in buffers that are wiped.

use super::gojson::{Cursor, NumberTooLarge, Printer, Shape, SyntaxError, Token, check, skip, unescape};
use crate::secret::SecretValue;
use zeroize::Zeroizing;

/// A value for a container.
#[derive(Debug)]
pub struct Rendered {
    /// The text.
    pub value: SecretValue,
    /// Set when the JSON value was not a string.
    pub warning: Option<Shape>,
}

/// Why there is no text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The secret is not JSON.
    #[error("{0}")]
    Syntax(#[from] SyntaxError),
    /// The secret is JSON and not an object.
    #[error("json: cannot unmarshal {found} into Go value of type map[string]interface {{}}")]
    NotAnObject {
        /// `array`, `string`, `number` or `bool`.
        found: &'static str,
    },
    /// A number anywhere in the secret is too large for a float64.
    #[error("{0}")]
    Range(#[from] NumberTooLarge),
    /// The object has no such member.
    #[error("retrieved secret from Secrets Manager did not contain json key {key}")]
    MissingKey {
        /// The key of the reference.
        key: String,
    },
}

/// Makes the text for a container out of a `SecretString`.
///
/// # Errors
/// Only with a key: see [`RenderError`].
pub fn render(secret_string: &str, json_key: Option<&str>) -> Result<Rendered, RenderError> {
    let Some(key) = json_key else {
        let value = SecretValue::new(secret_string.as_bytes().to_vec());
        return Ok(Rendered { value, warning: None });
    };
    check(secret_string)?;
    let missing = || RenderError::MissingKey { key: key.to_owned() };
    let mut tokens = Cursor::new(secret_string);
    let mut printer = Printer::new(secret_string.len());
    let mut found = None;
    match tokens.next() {
        Some(Token::ObjectStart) => {}
        Some(Token::Null) => return Err(missing()),
        Some(Token::Text(_)) => return Err(RenderError::NotAnObject { found: "string" }),
        Some(Token::Number(_)) => return Err(RenderError::NotAnObject { found: "number" }),
        Some(Token::Bool(_)) => return Err(RenderError::NotAnObject { found: "bool" }),
        _ => return Err(RenderError::NotAnObject { found: "array" }),
    }
    while let Some(Token::Text(raw)) = tokens.next() {
        let mut name = Zeroizing::new(String::with_capacity(raw.len()));
        unescape(raw, &mut name);
        if *name == key {
            found = Some(printer.print(&mut tokens)?);
        } else {
            skip(&mut tokens)?;
        }
    }
    let warning = found.ok_or_else(missing)?;
    Ok(Rendered { value: SecretValue::new(printer.text.as_bytes().to_vec()), warning })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at what was rendered")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn printed(json: &str) -> String {
        let secret = format!("{{\"k\":{json}}}");
        let rendered = render(&secret, Some("k")).unwrap();
        String::from_utf8(rendered.value.expose().to_vec()).unwrap()
    }

    #[test]
    fn numbers_print_as_go_prints_them() {
        for (json, text) in [
            ("0", "0"),
            ("-0", "-0"),
            ("-0.0", "-0"),
            ("1.50", "1.5"),
            ("999999", "999999"),
            ("999999.5", "999999.5"),
            ("1000000", "1e+06"),
            ("2097152", "2.097152e+06"),
            ("0.0001", "0.0001"),
            ("0.000123", "0.000123"),
            ("0.00001", "1e-05"),
            ("1e3", "1000"),
            ("1E+2", "100"),
            ("1e20", "1e+20"),
            ("1e-400", "0"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("5e-324", "5e-324"),
            ("-12345678", "-1.2345678e+07"),
        ] {
            assert_eq!(printed(json), text);
        }
    }

    #[test]
    fn nested_values_print_as_go_prints_them() {
        for (json, text) in [
            (r#"[1,"two",null,true,{"z":1}]"#, "[1 two <nil> true map[z:1]]"),
            (r#"{"b":1,"a":"x","b":{"d":2,"c":[]}}"#, "map[a:x b:map[c:[] d:2]]"),
            (r#"{"\u00e9":1,"z":2,"":3}"#, "map[:3 z:2 é:1]"),
            (r#"{"":1,"":2}"#, "map[:2]"),
            ("[[],{},[[]]]", "[[] map[] [[]]]"),
        ] {
            assert_eq!(printed(json), text);
        }
    }

    #[test]
    fn a_repeated_key_counts_once_and_last() {
        let rendered = render(r#"{"k":{"a":1},"x":[{"k":9}],"k":"last"}"#, Some("k")).unwrap();
        assert_eq!((rendered.value.expose(), rendered.warning), (&b"last"[..], None));
    }

    #[test]
    fn a_number_that_may_be_a_secret_is_not_shown() {
        let secret = format!("{{\"k\":\"v\",\"big\":{}}}", "7".repeat(400));
        let error = render(&secret, Some("k")).unwrap_err().to_string();
        assert_eq!(error, "json: cannot unmarshal number of 400 characters into Go value of type float64");
    }

    #[test]
    fn warnings_tell_the_shape() {
        for (json, shape) in [
            ("true", Shape::Boolean),
            ("1", Shape::Number),
            ("1.0", Shape::NumberRespelled),
            ("1000000", Shape::NumberInExponentForm),
            ("null", Shape::Null),
            ("[1]", Shape::Array),
            (r#"{"a":1}"#, Shape::Object),
        ] {
            let rendered = render(&format!("{{\"k\":{json}}}"), Some("k")).unwrap();
            assert_eq!(rendered.warning, Some(shape), "{json}");
        }
    }

    #[test]
    fn depth_needs_no_stack() {
        let deep = format!("{}{}", "{\"b\":1,\"a\":".repeat(9_000), "1".to_owned() + &"}".repeat(9_000));
        let secret = format!("{{\"k\":{deep}}}");
        let run = move || render(&secret, Some("k")).unwrap().value.len();
        let small_stack = std::thread::Builder::new().stack_size(128 * 1024).spawn(run).unwrap();
        assert!(small_stack.join().unwrap() > 9_000);
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in r#"\PC{0,40}|\{("k":|[\[\]{}:," k\\u0-9eE+.\-tfn]){0,30}\}?"#) {
            let _ = render(&text, Some("k"));
        }

        #[test]
        fn a_string_member_comes_back_unchanged(value in any::<String>(), key in r"\PC{1,10}") {
            let secret = serde_json::json!({ &key: &value, "other": [1, {"x": null}] }).to_string();
            let rendered = render(&secret, Some(&key)).unwrap();
            prop_assert_eq!(rendered.value.expose(), value.as_bytes());
        }

        /// Printing fits the buffer that was set aside for it.
        #[test]
        fn nothing_prints_to_more_than_three_times_its_source(
            json in r#"\[((\{\}|\[\]|1e5|null|9E5|"\\ud800"|\{"":1e5\}),){0,9}0\]"#
        ) {
            prop_assert!(printed(&json).len() <= 3 * json.len());
        }
    }
}
