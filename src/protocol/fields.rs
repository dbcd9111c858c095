//! Decoding of request bodies: a JSON object, taken apart member by member.
//!
//! Two kinds of refusal, as AWS has them. A body of the wrong shape is answered
//! at once with `SerializationException`. Broken constraints are collected, and
//! [`Fields::finish`] reports them in one `ValidationException`:
//!
//! ```text
//! 2 validation errors detected: Value 'x' at 'versionId' failed to satisfy constraint: Member must have
//! length greater than or equal to 32; Value null at 'secretId' failed to satisfy constraint: Member must
//! not be null
//! ```
//!
//! Two points differ from AWS on purpose: a member that the model does not have
//! is refused by name (AWS ignores it, so that a misspelt option has no effect),
//! and member values that the model marks as sensitive are never shown.
//!
//! Values taken out are moved, not copied; what is left over, on any path, is
//! wiped.

use super::body::{Members, mismatch, unreadable, wipe};
use super::error::ApiError;
use super::rules::{Text, at_least_long, at_most_long};
use crate::secret::SecretValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use zeroize::Zeroize as _;

/// Most broken constraints that one refusal names; the rest are counted. A body of many small
/// mistakes must not make an answer, and an audit record, of many times its size.
const NAMED: usize = 20;

/// Longest request value repeated in an error text, in characters.
const SHOWN: usize = 1024;

/// The members of one JSON object that have not been taken yet.
pub struct Fields {
    members: Members,
    /// `tags.1.member.` in an element of a list; empty at the top.
    path: String,
    /// Whether members that nobody takes are refused.
    strict: bool,
    violations: Vec<String>,
    /// How many there are, with those beyond [`NAMED`].
    violated: usize,
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fields").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Fields {
    /// Reads a body. An empty body has no members.
    ///
    /// # Errors
    /// `SerializationException` if it is not a JSON object.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let members = if body.is_empty() {
            Members(BTreeMap::new())
        } else {
            serde_json::from_slice(body).map_err(|e| unreadable(&e))?
        };
        Ok(Self { members, path: String::new(), strict: true, violations: Vec::new(), violated: 0 })
    }

    /// Reads an answer: what a newer server adds is ignored.
    ///
    /// # Errors
    /// `SerializationException` if it is not a JSON object.
    pub fn parse_answer(body: &[u8]) -> Result<Self, ApiError> {
        Ok(Self { strict: false, ..Self::parse(body)? })
    }

    /// Gives back `request` if nothing was violated and no member is left over.
    ///
    /// # Errors
    /// One `ValidationException` that lists everything.
    pub fn finish<T>(mut self, request: T) -> Result<T, ApiError> {
        self.refuse_leftovers();
        if self.violated == 0 { Ok(request) } else { Err(self.refusal()) }
    }

    /// An optional text.
    pub fn text(&mut self, name: &str, rule: Text) -> Result<Option<String>, ApiError> {
        let Some(text) = self.take_string(name)? else { return Ok(None) };
        let broken = rule.broken(&text);
        let shown = (!rule.is_sensitive()).then_some(text.as_str());
        self.violated(name, shown, broken);
        Ok(Some(text))
    }

    /// A text that must be there. Empty until [`Fields::finish`] has refused it.
    pub fn required_text(&mut self, name: &str, rule: Text) -> Result<String, ApiError> {
        let text = self.text(name, rule)?;
        Ok(self.required(name, text).unwrap_or_default())
    }

    /// One of an enum's spellings.
    pub fn choice<T>(
        &mut self,
        name: &str,
        spellings: &'static [&'static str],
        from: fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        Ok(self.text(name, Text::one_of(spellings))?.and_then(|text| from(&text)))
    }

    /// One of an enum's spellings, which must be there. The stand-in is returned
    /// until [`Fields::finish`] has refused it.
    pub fn required_choice<T>(
        &mut self,
        name: &str,
        spellings: &'static [&'static str],
        from: fn(&str) -> Option<T>,
        stand_in: T,
    ) -> Result<T, ApiError> {
        let text = self.text(name, Text::one_of(spellings))?;
        let text = self.required(name, text);
        Ok(text.and_then(|text| from(&text)).unwrap_or(stand_in))
    }

    /// An optional truth value.
    pub fn boolean(&mut self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(other) => Err(mismatch(other, "a Boolean")),
        }
    }

    /// An optional whole number in `min..=max`.
    pub fn integer(&mut self, name: &str, min: i64, max: i64) -> Result<Option<i64>, ApiError> {
        let number = match self.take(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => number,
            Some(other) => return Err(mismatch(other, "an Integer")),
        };
        let Some(value) = number.as_i64() else {
            return Err(ApiError::serialization("NUMBER_VALUE can not be converted to an Integer"));
        };
        let mut broken = Vec::new();
        if value > max {
            broken.push(format!("Member must have value less than or equal to {max}"));
        }
        if value < min {
            broken.push(format!("Member must have value greater than or equal to {min}"));
        }
        self.violated(name, Some(&value.to_string()), broken);
        Ok(Some(value))
    }

    /// A secret text, moved out of the parsed body.
    pub fn secret_text(&mut self, name: &str, rule: Text) -> Result<Option<SecretValue>, ApiError> {
        let Some(text) = self.take_string(name)? else { return Ok(None) };
        let broken = rule.broken(&text);
        let value = SecretValue::from(text);
        self.violated(name, None, broken);
        Ok(Some(value))
    }

    /// Secret bytes, written in Base64. Lengths are those of the bytes.
    pub fn secret_bytes(&mut self, name: &str, rule: Text) -> Result<Option<SecretValue>, ApiError> {
        let Some(mut text) = self.take_string(name)? else { return Ok(None) };
        let decoded = STANDARD.decode(&text).map(SecretValue::new);
        text.zeroize();
        let value = decoded.map_err(|_| {
            ApiError::serialization(format!("{name} is not valid Base64 and can not be converted to a Blob"))
        })?;
        let broken = rule.broken_length(value.len());
        self.violated(name, None, broken);
        Ok(Some(value))
    }

    /// An optional list of `min..=max` texts.
    pub fn texts(
        &mut self,
        name: &str,
        (min, max): (usize, usize),
        rule: Text,
    ) -> Result<Option<Vec<String>>, ApiError> {
        let Some(elements) = self.take_list(name)? else { return Ok(None) };
        let mut texts = Vec::with_capacity(elements.len());
        for element in elements {
            match element {
                Value::String(text) => texts.push(text),
                other => return Err(mismatch(other, "a String")),
            }
        }
        let mut broken = list_length(texts.len(), min, max);
        if texts.iter().any(|text| !rule.broken(text).is_empty()) {
            broken.push(rule.all());
        }
        let shown = format!("[{}]", texts.join(", "));
        self.violated(name, (!rule.is_sensitive()).then_some(shown.as_str()), broken);
        Ok(Some(texts))
    }

    /// An optional structure, read by `read`.
    pub fn structure<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Self) -> Result<T, ApiError>,
    ) -> Result<Option<T>, ApiError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let path = format!("{}.", self.at(name));
        self.inner(value, path, read).map(Some)
    }

    /// An optional list of `min..=max` structures, each read by `read`.
    pub fn structures<T>(
        &mut self,
        name: &str,
        (min, max): (usize, usize),
        mut read: impl FnMut(&mut Self) -> Result<T, ApiError>,
    ) -> Result<Option<Vec<T>>, ApiError> {
        let Some(elements) = self.take_list(name)? else { return Ok(None) };
        let broken = list_length(elements.len(), min, max);
        // The elements of a list that is far too long are not worth reading.
        let too_long = elements.len() > max;
        self.violated(name, None, broken);
        let mut values = Vec::with_capacity(elements.len());
        for (index, element) in elements.into_iter().enumerate().take_while(|_| !too_long) {
            let path = format!("{}.{}.member.", self.at(name), index + 1);
            values.push(self.inner(element, path, &mut read)?);
        }
        Ok(Some(values))
    }

    /// Notes "must not be null" if there is no value.
    pub fn required<T>(&mut self, name: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            let at = self.at(name);
            self.violate(format!(
                "Value null at '{at}' failed to satisfy constraint: Member must not be null"
            ));
        }
        value
    }

    /// As [`Fields::required`], for values that have no stand-in: refuses at once,
    /// together with what was violated before.
    pub fn demand<T>(&mut self, name: &str, value: Option<T>) -> Result<T, ApiError> {
        self.required(name, value).ok_or_else(|| self.refusal())
    }

    /// A secret text of any length that must be there.
    pub fn required_secret(&mut self, name: &str) -> Result<SecretValue, ApiError> {
        let value = self.secret_text(name, Text::any().sensitive())?;
        self.demand(name, value)
    }

    /// An instant that must be there.
    pub fn required_timestamp(&mut self, name: &str) -> Result<Timestamp, ApiError> {
        let at = self.timestamp(name)?;
        self.demand(name, at)
    }

    /// An optional instant, in seconds since 1970.
    pub fn timestamp(&mut self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        let number = match self.take(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => number,
            Some(other) => return Err(mismatch(other, "a Timestamp")),
        };
        let millis = number.as_f64().map(|seconds| (seconds * 1000.0).round());
        let at = millis.and_then(|millis| Timestamp::from_millisecond(millis as i64).ok());
        at.map(Some)
            .ok_or_else(|| ApiError::serialization("NUMBER_VALUE can not be converted to a Timestamp"))
    }

    fn inner<T>(
        &mut self,
        value: Value,
        path: String,
        read: impl FnOnce(&mut Self) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let Value::Object(object) = value else { return Err(mismatch(value, "a structure")) };
        let members = Members(object.into_iter().collect());
        let mut inner = Self { members, path, strict: self.strict, violations: Vec::new(), violated: 0 };
        let read = read(&mut inner)?;
        inner.refuse_leftovers();
        let unnamed = inner.violated.saturating_sub(inner.violations.len());
        inner.violations.drain(..).for_each(|text| self.violate(text));
        self.violated += unnamed;
        Ok(read)
    }

    /// Takes a member's value; JSON `null` counts as absent.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.members.0.remove(name).filter(|value| !value.is_null())
    }

    fn take_string(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(mismatch(other, "a String")),
        }
    }

    fn take_list(&mut self, name: &str) -> Result<Option<Vec<Value>>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(elements)) => Ok(Some(elements)),
            Some(mut other) => {
                wipe(&mut other);
                Err(ApiError::serialization(match other {
                    Value::Object(_) => "Start of structure or map found where not expected.",
                    _ => "Expected list or null",
                }))
            }
        }
    }

    fn violated(&mut self, name: &str, value: Option<&str>, broken: Vec<String>) {
        let at = self.at(name);
        for constraint in broken {
            let shown = match value {
                Some(text) => format!("Value '{}'", clip(text)),
                None => "Value".to_owned(),
            };
            self.violate(format!("{shown} at '{at}' failed to satisfy constraint: {constraint}"));
        }
    }

    fn refuse_leftovers(&mut self) {
        if !self.strict {
            return;
        }
        let unknown = |name: &String| {
            format!("'{}{}' is not a member of this operation's input", self.path, clip(name))
        };
        let unknown: Vec<String> = self.members.0.keys().take(NAMED).map(unknown).collect();
        self.violated += self.members.0.len() - unknown.len();
        unknown.into_iter().for_each(|text| self.violate(text));
    }

    fn violate(&mut self, text: String) {
        self.violated += 1;
        if self.violations.len() < NAMED {
            self.violations.push(text);
        }
    }

    fn refusal(&self) -> ApiError {
        let count = self.violated;
        let plural = if count == 1 { "error" } else { "errors" };
        ApiError::validation(format!("{count} validation {plural} detected: {}", self.violations.join("; ")))
    }

    fn at(&self, name: &str) -> String {
        format!("{}{}", self.path, camel(name))
    }
}

/// Name and text of an error answer, if the body is a JSON object. Nothing else of
/// it is read.
pub fn error_members(body: &[u8]) -> Option<(Option<String>, Option<String>)> {
    let mut fields = Fields::parse_answer(body).ok()?;
    let mut take = |name| fields.take_string(name).ok().flatten();
    let code = take("__type");
    Some((code, take("message").or_else(|| take("Message"))))
}

fn list_length(length: usize, min: usize, max: usize) -> Vec<String> {
    let mut broken = Vec::new();
    if length > max {
        broken.push(at_most_long(max));
    }
    if length < min {
        broken.push(at_least_long(min));
    }
    broken
}

/// `SecretId` to `secretId`: AWS names members in the spelling of its Java code.
fn camel(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|c| c.to_ascii_lowercase()).into_iter().chain(chars).collect()
}

fn clip(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(body: &str, read: impl FnOnce(&mut Fields) -> Result<(), ApiError>) -> String {
        let mut fields = match Fields::parse(body.as_bytes()) {
            Ok(fields) => fields,
            Err(error) => return error.to_string(),
        };
        match read(&mut fields).and_then(|()| fields.finish(())) {
            Ok(()) => "ok".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn collects_violations_in_awss_words() {
        let text = message(r#"{"VersionId": "x"}"#, |f| {
            f.text("VersionId", Text::length(32, 64))?;
            f.required_text("SecretId", Text::length(1, 2048)).map(drop)
        });
        assert_eq!(
            text,
            "ValidationException: 2 validation errors detected: Value 'x' at 'versionId' failed to satisfy \
             constraint: Member must have length greater than or equal to 32; Value null at 'secretId' failed \
             to satisfy constraint: Member must not be null"
        );
    }

    #[test]
    fn names_list_elements_by_position() {
        let text = message(r#"{"Tags": [{"Key": "a"}, {"Key": "", "Kee": 1}]}"#, |f| {
            f.structures("Tags", (0, 50), |t| t.required_text("Key", Text::length(1, 128))).map(drop)
        });
        assert_eq!(
            text,
            "ValidationException: 2 validation errors detected: Value '' at 'tags.2.member.key' failed to \
             satisfy constraint: Member must have length greater than or equal to 1; 'tags.2.member.Kee' is \
             not a member of this operation's input"
        );
        let text =
            message(r#"{"Names": ["", "b"]}"#, |f| f.texts("Names", (1, 1), Text::length(1, 2048)).map(drop));
        assert_eq!(
            text,
            "ValidationException: 2 validation errors detected: Value '[, b]' at 'names' failed to satisfy \
             constraint: Member must have length less than or equal to 1; Value '[, b]' at 'names' failed to \
             satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal \
             to 2048, Member must have length greater than or equal to 1]"
        );
    }

    #[test]
    fn refuses_wrong_types_in_awss_words() {
        let take = |body: &str| message(body, |f| f.text("A", Text::any()).map(drop));
        assert_eq!(
            take(r#"{"A": 1}"#),
            "SerializationException: NUMBER_VALUE can not be converted to a String"
        );
        assert_eq!(
            take(r#"{"A": true}"#),
            "SerializationException: TRUE_VALUE can not be converted to a String"
        );
        assert_eq!(take(r#"{"A": []}"#), "SerializationException: Start of list found where not expected");
        assert_eq!(take(r#"{"A": null}"#), "ok");
        assert_eq!(take(""), "ok");
        let number = |body: &str| message(body, |f| f.integer("N", 1, 5).map(drop));
        assert_eq!(
            number(r#"{"N": "5"}"#),
            "SerializationException: STRING_VALUE can not be converted to an Integer"
        );
        assert_eq!(
            number(r#"{"N": 1.5}"#),
            "SerializationException: NUMBER_VALUE can not be converted to an Integer"
        );
        assert_eq!(
            number(r#"{"N": 6}"#),
            "ValidationException: 1 validation error detected: Value '6' at 'n' failed to satisfy constraint: \
             Member must have value less than or equal to 5"
        );
    }

    #[test]
    fn never_shows_sensitive_values() {
        for body in [
            r#"{"S": "hunter2", "B": "aHVudGVyMg=="}"#,
            r#"{"S": "hunter2", "B": "hunter2"}"#,
            r#"{"S": ["hunter2"]}"#,
            r#""hunter2""#,
            r#"{"S": "hunter2"#,
            r#"{"S": "hunter2" "hunter2"}"#,
        ] {
            let text = message(body, |f| {
                f.secret_text("S", Text::length(1, 3).in_bytes().sensitive())?;
                f.secret_bytes("B", Text::length(1, 3).in_bytes().sensitive()).map(drop)
            });
            assert!(!text.contains("hunter2") && text != "ok", "{text}");
        }
    }

    #[test]
    fn many_mistakes_make_no_long_answer() {
        let unknown: Vec<String> = (0..5_000).map(|i| format!("\"m{i}\": 1")).collect();
        let text = message(&format!("{{{}}}", unknown.join(", ")), |_| Ok(()));
        assert!(text.contains("5000 validation errors detected: ") && text.len() < 4_096, "{}", text.len());
        let text = message(&format!("{{\"L\": [{}]}}", vec!["{}"; 5_000].join(", ")), |f| {
            f.structures("L", (0, usize::MAX), |inner| inner.required_text("K", Text::any())).map(drop)
        });
        assert!(text.contains("5000 validation errors detected: ") && text.len() < 4_096, "{}", text.len());
    }

    #[test]
    fn the_last_of_two_equal_keys_counts() {
        let mut fields = Fields::parse(br#"{"A": "1", "A": "2"}"#).unwrap();
        assert_eq!(fields.text("A", Text::any()).unwrap().as_deref(), Some("2"));
        fields.finish(()).unwrap();
    }

    #[test]
    fn survives_deep_nesting() {
        let body = format!("{{\"A\": {}", "[".repeat(100_000));
        assert!(message(&body, |_| Ok(())).starts_with("SerializationException"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Fields::parse(&body);
        }
    }
}
