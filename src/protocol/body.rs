//! A request body as JSON: [`Members`], and the refusals of bodies and members of
//! the wrong shape, in AWS's words. None repeats a value.

use super::error::ApiError;
use serde::de::{MapAccess, Visitor};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use zeroize::Zeroize as _;

/// A JSON object whose strings are wiped when it is dropped. Of a key that is
/// there twice the last value counts.
pub(super) struct Members(pub(super) BTreeMap<String, Value>);

impl Drop for Members {
    fn drop(&mut self) {
        self.0.values_mut().for_each(wipe);
    }
}

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                // INVARIANT: from here on an error drops `Members`, which wipes.
                let mut members = Members(BTreeMap::new());
                while let Some((key, value)) = map.next_entry::<String, Value>()? {
                    if let Some(mut earlier) = members.0.insert(key, value) {
                        wipe(&mut earlier);
                    }
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Overwrites every string in a JSON value.
pub(super) fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(elements) => elements.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The error for a body that is not a JSON object. Not the parser's own text
/// where that may quote the input.
pub(super) fn unreadable(error: &serde_json::Error) -> ApiError {
    use serde_json::error::Category;
    ApiError::serialization(match error.classify() {
        Category::Data => {
            "Start of structure or map expected: the request body is not a JSON object".to_owned()
        }
        Category::Eof => "the request body ends in the middle of its JSON".to_owned(),
        Category::Syntax | Category::Io => {
            format!("the request body is not valid JSON at line {}, column {}", error.line(), error.column())
        }
    })
}

/// The error for a value of the wrong JSON type. The value is wiped.
pub(super) fn mismatch(mut value: Value, wanted: &str) -> ApiError {
    wipe(&mut value);
    let found = match value {
        Value::Array(_) => return ApiError::serialization("Start of list found where not expected"),
        Value::Object(_) => {
            return ApiError::serialization("Start of structure or map found where not expected.");
        }
        Value::String(_) => "STRING_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Null => "NULL_VALUE",
    };
    ApiError::serialization(format!("{found} can not be converted to {wanted}"))
}
