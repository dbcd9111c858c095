//! JSON answers, written into one buffer that is wiped when it is dropped.
//!
//! A buffer that grows leaves its old contents behind. So every answer is written
//! twice by the same code: first into [`Measure`], which only counts, then into a
//! buffer of exactly that size. INVARIANT: [`Fill`] never reallocates.

use crate::secret::SecretValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use zeroize::{Zeroize as _, Zeroizing};

/// Something that is written as one JSON object.
pub trait Encode {
    /// Writes the members, in the order of the service model.
    fn members<S: Sink>(&self, object: &mut Object<'_, S>);

    /// The JSON text.
    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut measure = Measure(0);
        Object::write(&mut measure, |object| self.members(object));
        let mut fill = Fill(Zeroizing::new(Vec::with_capacity(measure.0)));
        Object::write(&mut fill, |object| self.members(object));
        fill.0
    }
}

/// Where JSON goes.
pub trait Sink {
    /// Appends bytes.
    fn put(&mut self, bytes: &[u8]);
}

/// Counts.
#[derive(Debug)]
pub struct Measure(usize);

impl Sink for Measure {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

/// Keeps. No `Debug`: it may hold plaintext.
#[expect(missing_debug_implementations, reason = "it may hold plaintext")]
pub struct Fill(Zeroizing<Vec<u8>>);

impl Sink for Fill {
    fn put(&mut self, bytes: &[u8]) {
        debug_assert!(self.0.len() + bytes.len() <= self.0.capacity(), "measured too short");
        self.0.extend_from_slice(bytes);
    }
}

/// An object under way.
#[derive(Debug)]
pub struct Object<'a, S> {
    sink: &'a mut S,
    first: bool,
}

impl<S: Sink> Object<'_, S> {
    fn write(sink: &mut S, members: impl FnOnce(&mut Object<'_, S>)) {
        sink.put(b"{");
        let mut object = Object { sink, first: true };
        members(&mut object);
        object.sink.put(b"}");
    }

    fn key(&mut self, name: &str) {
        if !std::mem::take(&mut self.first) {
            self.sink.put(b",");
        }
        string(self.sink, name.as_bytes());
        self.sink.put(b":");
    }

    /// A text.
    pub fn text(&mut self, name: &str, text: &str) {
        self.key(name);
        string(self.sink, text.as_bytes());
    }

    /// A text, if there is one.
    pub fn optional_text(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    /// A truth value.
    pub fn boolean(&mut self, name: &str, value: bool) {
        self.key(name);
        self.sink.put(if value { b"true" } else { b"false" });
    }

    /// A whole number.
    pub fn integer(&mut self, name: &str, value: i64) {
        self.key(name);
        self.sink.put(value.to_string().as_bytes());
    }

    /// An instant: seconds since 1970 with a fraction of milliseconds.
    pub fn timestamp(&mut self, name: &str, at: Timestamp) {
        self.key(name);
        self.sink.put(epoch_seconds(at).as_bytes());
    }

    /// An instant, if there is one.
    pub fn optional_timestamp(&mut self, name: &str, at: Option<Timestamp>) {
        if let Some(at) = at {
            self.timestamp(name, at);
        }
    }

    /// A list of texts.
    pub fn texts<T: AsRef<str>>(&mut self, name: &str, texts: &[T]) {
        self.key(name);
        self.list(texts, |sink, text| string(sink, text.as_ref().as_bytes()));
    }

    /// A structure.
    pub fn structure(&mut self, name: &str, value: &impl Encode) {
        self.key(name);
        Object::write(self.sink, |object| value.members(object));
    }

    /// A list of structures.
    pub fn structures<T: Encode>(&mut self, name: &str, values: &[T]) {
        self.key(name);
        self.list(values, |sink, value| Object::write(sink, |object| value.members(object)));
    }

    /// A map from text to lists of texts.
    pub fn text_lists(&mut self, name: &str, map: &[(String, Vec<String>)]) {
        self.key(name);
        Object::write(self.sink, |object| {
            for (key, texts) in map {
                object.texts(key, texts);
            }
        });
    }

    /// A JSON value.
    pub fn json(&mut self, name: &str, value: &serde_json::Value) {
        self.key(name);
        self.sink.put(value.to_string().as_bytes());
    }

    /// A secret text. INVARIANT: the value is UTF-8, as it was decoded from JSON.
    pub fn secret_text(&mut self, name: &str, value: &SecretValue) {
        self.key(name);
        #[expect(
            clippy::disallowed_methods,
            reason = "an authorised answer or a signed request carries the value"
        )]
        string(self.sink, value.expose());
    }

    /// Secret bytes, in Base64.
    pub fn secret_bytes(&mut self, name: &str, value: &SecretValue) {
        self.key(name);
        self.sink.put(b"\"");
        #[expect(
            clippy::disallowed_methods,
            reason = "an authorised answer or a signed request carries the value"
        )]
        base64_text(self.sink, value.expose());
        self.sink.put(b"\"");
    }

    fn list<T>(&mut self, values: &[T], mut write: impl FnMut(&mut S, &T)) {
        self.sink.put(b"[");
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                self.sink.put(b",");
            }
            write(self.sink, value);
        }
        self.sink.put(b"]");
    }
}

/// A JSON string of UTF-8 bytes (RFC 8259 section 7: quotes, backslashes and
/// controls are escaped, nothing else).
fn string<S: Sink>(sink: &mut S, text: &[u8]) {
    sink.put(b"\"");
    let mut rest = text;
    while let Some(at) = first_special(rest) {
        let (plain, special) = rest.split_at(at);
        sink.put(plain);
        if let Some((&byte, after)) = special.split_first() {
            escape(sink, byte);
            rest = after;
        }
    }
    sink.put(rest);
    sink.put(b"\"");
}

/// Where the first byte stands that cannot stand in a string as it is. Whole blocks
/// are looked at without branches, which the compiler turns into vector code.
fn first_special(text: &[u8]) -> Option<usize> {
    const BLOCK: usize = 32;
    let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    let found = |block: &[u8; BLOCK]| block.iter().fold(false, |found, byte| found | special(byte));
    let (blocks, _) = text.as_chunks();
    let start = blocks.iter().position(found).unwrap_or(blocks.len()) * BLOCK;
    let within = text.get(start..)?.iter().position(special)?;
    Some(start + within)
}

fn escape<S: Sink>(sink: &mut S, byte: u8) {
    match byte {
        b'"' => sink.put(b"\\\""),
        b'\\' => sink.put(b"\\\\"),
        b'\n' => sink.put(b"\\n"),
        b'\r' => sink.put(b"\\r"),
        b'\t' => sink.put(b"\\t"),
        0x08 => sink.put(b"\\b"),
        0x0c => sink.put(b"\\f"),
        _ => {
            let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
            sink.put(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 0x0f)]);
        }
    }
}

/// Base64 piece by piece, so that the text is never whole outside the sink.
fn base64_text<S: Sink>(sink: &mut S, bytes: &[u8]) {
    let mut piece = Zeroizing::new([0_u8; 1024]);
    for chunk in bytes.chunks(768) {
        if let Ok(length) = STANDARD.encode_slice(chunk, piece.as_mut_slice()) {
            sink.put(piece.get(..length).unwrap_or_default());
        }
    }
    piece.zeroize();
}

/// `1732412345.123`; trailing zeros of the fraction are left out, as AWS does.
fn epoch_seconds(at: Timestamp) -> String {
    let millis = at.as_millisecond();
    let (seconds, fraction) = (millis.div_euclid(1000), millis.rem_euclid(1000));
    if fraction == 0 {
        return seconds.to_string();
    }
    // Before 1970 the fraction counts the other way.
    if seconds < 0 {
        return format!("{}", millis as f64 / 1000.0);
    }
    format!("{seconds}.{fraction:03}").trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    struct Pair(SecretValue, SecretValue);

    impl Encode for Pair {
        fn members<S: Sink>(&self, object: &mut Object<'_, S>) {
            object.secret_text("S", &self.0);
            object.secret_bytes("B", &self.1);
        }
    }

    proptest! {
        #[test]
        fn writes_what_a_parser_reads_without_growing(text: String, bytes: Vec<u8>) {
            let json = Pair(SecretValue::from(text.clone()), SecretValue::new(bytes.clone())).encode();
            prop_assert_eq!(json.len(), json.capacity());
            let value: Value = serde_json::from_slice(&json).unwrap();
            prop_assert_eq!(value["S"].as_str().unwrap(), text);
            prop_assert_eq!(STANDARD.decode(value["B"].as_str().unwrap()).unwrap(), bytes);
        }
    }

    #[test]
    fn escapes_controls_and_long_bytes() {
        let controls: String = (0_u8..0x20).map(char::from).collect();
        let long = vec![0xa5; 65_536];
        let json = Pair(SecretValue::from(controls.clone()), SecretValue::new(long.clone())).encode();
        let value: Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(value["S"].as_str().unwrap(), controls);
        assert_eq!(STANDARD.decode(value["B"].as_str().unwrap()).unwrap(), long);
    }

    #[test]
    fn timestamps_are_seconds() {
        let at = |millis| epoch_seconds(Timestamp::from_millisecond(millis).unwrap());
        assert_eq!(at(1_732_412_345_123), "1732412345.123");
        assert_eq!(at(1_732_412_345_120), "1732412345.12");
        assert_eq!(at(1_732_412_345_000), "1732412345");
        assert_eq!(at(5), "0.005");
        assert_eq!(at(-1500), "-1.5");
    }
}
