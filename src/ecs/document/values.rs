//! [`Values`]: what placeholders of a file stand for, from `--set` and `--vars`.

use crate::json::{self, Value};

/// Names and texts; of several with one name the last counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values(Vec<(String, String)>);

/// Why a list of values cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValuesError {
    /// Not `NAME=VALUE`.
    #[error("`{0}` is not NAME=VALUE")]
    Pair(String),
    /// A line of a file that is neither a pair nor a comment.
    #[error("line {line}: `{text}` is not NAME=VALUE")]
    Line {
        /// 1-based.
        line: usize,
        /// The line.
        text: String,
    },
    /// A file that begins like JSON and is none.
    #[error("not a JSON object of names and values: {0}")]
    Json(String),
}

impl Values {
    /// Adds `NAME=VALUE`.
    ///
    /// # Errors
    /// If there is no name or no `=`.
    pub fn set(&mut self, pair: &str) -> Result<(), ValuesError> {
        match pair.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => {
                self.0.push((name.trim().to_owned(), value.to_owned()));
                Ok(())
            }
            _ => Err(ValuesError::Pair(pair.to_owned())),
        }
    }

    /// Adds the content of a file: a JSON object (also the `Parameters` that
    /// CloudFormation takes), or lines `NAME=VALUE` and comments with `#`, as in
    /// `.env` and `.tfvars` files; a value may stand in double quotes.
    ///
    /// # Errors
    /// At the first line, or the first byte of JSON, that cannot be read.
    pub fn read(&mut self, text: &str) -> Result<(), ValuesError> {
        if text.trim_start().starts_with(['{', '[']) {
            return self.read_json(text);
        }
        for (index, line) in text.lines().enumerate() {
            let bare = line.trim();
            if bare.is_empty() || bare.starts_with('#') {
                continue;
            }
            let wrong = || ValuesError::Line { line: index + 1, text: bare.to_owned() };
            let (name, value) = bare.split_once('=').ok_or_else(wrong)?;
            let value = value.trim();
            let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
            if name.trim().is_empty() {
                return Err(wrong());
            }
            self.0.push((name.trim().to_owned(), value.to_owned()));
        }
        Ok(())
    }

    fn read_json(&mut self, text: &str) -> Result<(), ValuesError> {
        let root = json::parse(text).map_err(|e| ValuesError::Json(e.message))?;
        let source = |span: &std::ops::Range<usize>| text.get(span.clone()).unwrap_or_default().to_owned();
        let plain = |node: &json::Node| node.string().map_or_else(|| source(&node.span), str::to_owned);
        match &root.value {
            Value::Object(members) => {
                self.0.extend(members.iter().map(|m| (m.key.clone(), plain(&m.value))));
                Ok(())
            }
            // The parameter files of `aws cloudformation`.
            Value::Array(entries) => {
                for entry in entries {
                    let key = entry.get("ParameterKey").and_then(json::Node::string);
                    match (key, entry.get("ParameterValue")) {
                        (Some(key), Some(value)) => self.0.push((key.to_owned(), plain(value))),
                        _ => return Err(ValuesError::Json("entries have no ParameterKey".into())),
                    }
                }
                Ok(())
            }
            _ => Err(ValuesError::Json("it is not an object".into())),
        }
    }

    /// Adds a value unless there is one of that name.
    pub fn set_default(&mut self, name: &str, value: &str) {
        if self.get(name).is_none() {
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The names, each once.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_from_pairs_and_files() {
        let mut values = Values::default();
        values.set("A=1=2").unwrap();
        values.read("# c\nB = \"two words\"\n\nA=3\n").unwrap();
        values.read(r#"{"C": "x", "D": 5, "E": [1, "a"]}"#).unwrap();
        values.read(r#"[{"ParameterKey": "F", "ParameterValue": "y"}]"#).unwrap();
        values.set_default("A", "4");
        values.set_default("AWS::Region", "eu-west-1");
        let got: Vec<_> =
            ["A", "B", "C", "D", "E", "F", "AWS::Region"].map(|n| values.get(n).unwrap()).into();
        assert_eq!(got, ["3", "two words", "x", "5", r#"[1, "a"]"#, "y", "eu-west-1"]);
        assert_eq!(values.names().len(), 7);
        for bad in ["=x", "x", ""] {
            assert_eq!(values.set(bad), Err(ValuesError::Pair(bad.into())));
        }
        assert_eq!(values.read("a=1\nb"), Err(ValuesError::Line { line: 2, text: "b".into() }));
        assert!(values.read("[1]").is_err() && values.read("{").is_err());
    }
}
