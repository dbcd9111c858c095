//! [`Edits`]: places of a JSON text and what comes there. Everything else of the
//! text is kept byte for byte.

use crate::json::Node;
use std::ops::Range;
use zeroize::Zeroizing;

/// Replacements that do not overlap.
#[derive(Default)]
pub(super) struct Edits(Vec<(Range<usize>, Zeroizing<Vec<u8>>)>);

impl Edits {
    /// Puts `new` in place of `span`.
    pub(super) fn replace(&mut self, span: Range<usize>, new: Zeroizing<Vec<u8>>) {
        self.0.push((span, new));
    }

    /// Adds an element to the end of an array.
    pub(super) fn append(&mut self, array: &Node, element: &str) {
        let end = array.span.end.saturating_sub(1);
        let comma = if array.array().is_some_and(|elements| !elements.is_empty()) { "," } else { "" };
        self.insert(end, format!("{comma}{element}"));
    }

    /// Adds a member to the beginning of an object.
    pub(super) fn add_member(&mut self, object: &Node, key: &str, value: &str) {
        let comma = if object.object().is_some_and(|members| !members.is_empty()) { "," } else { "" };
        self.insert(object.span.start + 1, format!("\"{key}\":{value}{comma}"));
    }

    fn insert(&mut self, at: usize, text: String) {
        self.replace(at..at, Zeroizing::new(text.into_bytes()));
    }

    /// The text with the replacements, in memory that is wiped.
    pub(super) fn apply(mut self, text: &str) -> Zeroizing<Vec<u8>> {
        // Stable: what is inserted at one place stays in order.
        self.0.sort_by_key(|(span, _)| span.start);
        let new: usize = self.0.iter().map(|(_, new)| new.len()).sum();
        // INVARIANT: room for all of it, so that growing leaves no copies behind.
        let mut out = Zeroizing::new(Vec::with_capacity(text.len() + new));
        let mut done = 0;
        let kept = |range: Range<usize>| text.as_bytes().get(range).unwrap_or_default();
        for (span, new) in &self.0 {
            out.extend_from_slice(kept(done..span.start));
            out.extend_from_slice(new);
            done = span.end;
        }
        out.extend_from_slice(kept(done..text.len()));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn members_and_elements_are_added_where_they_belong() {
        for (text, expected) in
            [(r#"{ "a" : [ 1 ] }"#, r#"{"b":2, "a" : [ 1 ,3] }"#), (r#"{"a":[]}"#, r#"{"b":2,"a":[3]}"#)]
        {
            let root = json::parse(text).unwrap();
            let mut edits = Edits::default();
            edits.append(root.get("a").unwrap(), "3");
            edits.add_member(&root, "b", "2");
            assert_eq!(String::from_utf8_lossy(&edits.apply(text)), expected);
        }
        let root = json::parse("{}").unwrap();
        let mut edits = Edits::default();
        edits.add_member(&root, "b", "2");
        assert_eq!(edits.apply("{}").as_slice(), br#"{"b":2}"#);
    }
}
