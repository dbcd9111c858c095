//! [`Pattern`]: a text with wildcards, compiled once and matched without
//! recursion.
//!
//! `*` stands for any run of characters and `?` for exactly one. In resource ARNs
//! both stay within their colon-separated segment, except that a `*` at the end of
//! a segment may also run over the colons that follow:
//!
//! ```text
//! arn:aws:secretsmanager:us-*-1:...   "us-*-1" does not reach over a colon
//! arn:aws:ssm:*:111122223333:...      "*" ends its segment: it may
//! arn:aws:ssm:us-east-1:...:parameter/prod/*   slashes are ordinary characters
//! ```
//!
//! Source: IAM User Guide, "IAM JSON policy elements: Resource", "Using wildcards
//! in resource ARNs": "If the * wildcard is the last character of a resource ARN
//! segment, it can expand to match beyond the colon boundaries."

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// These characters.
    Lit(Box<str>),
    /// Any run of characters.
    Star,
    /// Any run of characters without a colon.
    SegmentStar,
    /// One character that is not a colon.
    Any1,
}

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    tokens: Box<[Token]>,
    fold_case: bool,
}

impl Pattern {
    /// One half of an action, service or name: case does not matter.
    pub(super) fn action_part(text: &str) -> Self {
        let tokens = tokens(text.chars().map(|c| match c {
            '*' => Piece::Star,
            '?' => Piece::Any1,
            c => Piece::Char(c),
        }));
        Self { tokens, fold_case: true }
    }

    /// A resource of a document with policy variables: case matters, and the
    /// escapes `${*}`, `${?}` and `${$}` stand for the plain character.
    ///
    /// Source: IAM User Guide, "IAM policy elements: Variables and tags",
    /// "Special characters".
    pub(super) fn resource(text: &str) -> Self {
        Self { tokens: tokens(pieces(text, true).into_iter()), fold_case: false }
    }

    /// A resource of a document of version 2008-10-17, where `${` is plain text.
    pub(super) fn resource_2008(text: &str) -> Self {
        Self { tokens: tokens(pieces(text, false).into_iter()), fold_case: false }
    }

    /// Whether all of `text` matches.
    ///
    /// On a mismatch the nearest wildcard takes one more character and matching
    /// goes on behind it. Two points to resume from are enough: a `*` that may
    /// cross colons makes all earlier ones unimportant (whatever they would take,
    /// it can take), and a later one within the same segment does the same for
    /// those before it. So the work is bounded by a product of the lengths and
    /// never exponential.
    pub(super) fn matches(&self, text: &str) -> bool {
        let mut rest = text;
        let mut at = 0;
        let mut star: Option<(usize, &str)> = None;
        let mut segment: Option<(usize, &str)> = None;
        loop {
            let next = match self.tokens.get(at) {
                None if rest.is_empty() => return true,
                None => None,
                Some(Token::Star) => {
                    if at + 1 == self.tokens.len() {
                        return true;
                    }
                    (star, segment) = (Some((at + 1, rest)), None);
                    Some(rest)
                }
                Some(Token::SegmentStar) => {
                    segment = Some((at + 1, rest));
                    Some(rest)
                }
                Some(Token::Any1) => without_first(rest, |c| c != ':'),
                Some(Token::Lit(literal)) => self.without_literal(rest, literal),
            };
            if let Some(next) = next {
                (rest, at) = (next, at + 1);
                continue;
            }
            let grown = segment.and_then(|(resume, from)| Some((resume, without_first(from, |c| c != ':')?)));
            if let Some((resume, from)) = grown {
                (at, rest, segment) = (resume, from, grown);
                continue;
            }
            let grown = star.and_then(|(resume, from)| Some((resume, without_first(from, |_| true)?)));
            let Some((resume, from)) = grown else { return false };
            (at, rest, star, segment) = (resume, from, grown, None);
        }
    }

    /// The text that it matches, if it has no wildcard.
    pub(super) fn literal(&self) -> Option<&str> {
        match &*self.tokens {
            [] => Some(""),
            [Token::Lit(text)] => Some(text),
            _ => None,
        }
    }

    fn without_literal<'a>(&self, text: &'a str, literal: &str) -> Option<&'a str> {
        if !self.fold_case {
            return text.strip_prefix(literal);
        }
        let (start, rest) = text.split_at_checked(literal.len())?;
        start.eq_ignore_ascii_case(literal).then_some(rest)
    }
}

fn without_first(text: &str, may: impl Fn(char) -> bool) -> Option<&str> {
    let mut chars = text.chars();
    chars.next().filter(|&c| may(c)).map(|_| chars.as_str())
}

/// A character of a pattern with its meaning.
enum Piece {
    Char(char),
    Star,
    SegmentStar,
    Any1,
}

fn pieces(text: &str, escapes: bool) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        let escaped = ['*', '?', '$'].into_iter().find_map(|c| {
            let tail = rest.strip_prefix("${")?.strip_prefix(c)?.strip_prefix('}')?;
            escapes.then_some((c, tail))
        });
        if let Some((c, tail)) = escaped {
            pieces.push(Piece::Char(c));
            rest = tail;
            continue;
        }
        let mut chars = rest.chars();
        let Some(first) = chars.next() else { return pieces };
        rest = chars.as_str();
        pieces.push(match first {
            '*' if rest.is_empty() || rest.starts_with(':') => Piece::Star,
            '*' => Piece::SegmentStar,
            '?' => Piece::Any1,
            c => Piece::Char(c),
        });
    }
}

fn tokens(pieces: impl Iterator<Item = Piece>) -> Box<[Token]> {
    let mut tokens = Vec::new();
    let mut literal = String::new();
    for piece in pieces {
        let token = match piece {
            Piece::Char(c) => {
                literal.push(c);
                continue;
            }
            Piece::Star => Token::Star,
            Piece::SegmentStar => Token::SegmentStar,
            Piece::Any1 => Token::Any1,
        };
        if !literal.is_empty() {
            tokens.push(Token::Lit(std::mem::take(&mut literal).into()));
        }
        match (&token, tokens.last()) {
            // A run of stars is one star: the widest of them.
            (Token::Star, Some(Token::SegmentStar)) => {
                tokens.pop();
            }
            (Token::SegmentStar, Some(Token::SegmentStar)) => continue,
            _ => {}
        }
        tokens.push(token);
    }
    if !literal.is_empty() {
        tokens.push(Token::Lit(literal.into()));
    }
    tokens.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Tries every possibility, by the words of the documentation.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('?', rest)) => text.split_first().is_some_and(|(&c, t)| c != ':' && naive(rest, t)),
            Some(('*', rest)) => {
                let ends_segment = rest.iter().find(|&&c| c != '*').is_none_or(|&c| c == ':');
                naive(rest, text)
                    || text
                        .split_first()
                        .is_some_and(|(&c, t)| (ends_segment || c != ':') && naive(pattern, t))
            }
            Some((c, rest)) => text.split_first().is_some_and(|(d, t)| c == d && naive(rest, t)),
        }
    }

    fn chars(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    #[test]
    fn stars_stay_in_their_segment_unless_they_end_it() {
        let table = [
            ("arn:aws:ssm:us-*-1:1:p", "arn:aws:ssm:us-east-1:1:p", true),
            ("arn:aws:ssm:us-*-1:1:p", "arn:aws:ssm:us-east-1:2:x-1:1:p", false),
            ("arn:aws:ssm:*:1:p", "arn:aws:ssm:us-east-1:2:x:1:p", true),
            ("arn:aws:ssm:*", "arn:aws:ssm:us-east-1:1:parameter/a", true),
            ("arn:aws:ssm:?:1:p", "arn:aws:ssm:::1:p", false),
            ("a:b/*/c", "a:b/x/y/c", true),
            ("a:b/*/c", "a:b/x:y/c", false),
            ("*", "", true),
            ("a?c", "aéc", true),
            ("A", "a", false),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(Pattern::resource(pattern).matches(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn escapes_are_plain_characters_in_the_newer_version_only() {
        assert!(Pattern::resource("a${*}b${?}${$}").matches("a*b?$"));
        assert!(!Pattern::resource("a${*}").matches("axx"));
        assert!(Pattern::resource_2008("a${*}").matches("a${xyz}"));
    }

    #[test]
    fn actions_ignore_case() {
        assert!(Pattern::action_part("getSECRET*").matches("GetSecretValue"));
        assert!(!Pattern::action_part("Get?").matches("Get"));
    }

    #[test]
    fn long_patterns_do_not_explode() {
        let pattern = format!("arn:{}b", "*a".repeat(200));
        assert!(!Pattern::resource(&pattern).matches(&format!("arn:{}", "a".repeat(2000))));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn agrees_with_the_naive_matcher(pattern in "[ab:*?]{0,9}", text in "[ab:]{0,10}") {
            let expected = naive(&chars(&pattern), &chars(&text));
            prop_assert_eq!(Pattern::resource(&pattern).matches(&text), expected);
        }
    }
}
