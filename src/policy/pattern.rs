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

use super::grams::Grams;
use super::variable::{Language, Variable, VariableError};
use std::borrow::Cow;

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// These characters.
    Lit(Box<str>),
    /// Any run of characters.
    Star,
    /// Any run of characters without a colon.
    SegmentStar,
    /// One character.
    Any1,
    /// One character that is not a colon.
    SegmentAny1,
    /// The value of a policy variable, as literal text.
    Var(Box<Variable>),
}

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    tokens: Box<[Token]>,
    case: Case,
    /// Whether it has a policy variable, which is asked for each request.
    variable: bool,
}

/// How capital letters are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Exact,
    /// Those of ASCII are the same as small ones.
    IgnoredInAscii,
    /// All are the same as small ones.
    Ignored,
}

/// What `*` and `?` mean in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wildcards {
    /// They are plain characters.
    None,
    /// They stand for any characters.
    Any,
    /// They stay within a colon-separated segment, as in resource ARNs.
    Segment,
    /// They stay within one of the six sections of an ARN, as in ARN conditions.
    Arn,
}

impl Pattern {
    /// One half of an action, service or name: case does not matter.
    pub(super) fn action_part(text: &str) -> Self {
        let pieces = text.chars().map(|c| match c {
            '*' => Piece::Token(Token::Star),
            '?' => Piece::Token(Token::SegmentAny1),
            c => Piece::Char(c),
        });
        Self { tokens: tokens(pieces), case: Case::IgnoredInAscii, variable: false }
    }

    /// A text of a document in this version of the language: in the newer one, `${..}` is
    /// a policy variable, and the escapes `${*}`, `${?}` and `${$}` stand for the plain
    /// character.
    ///
    /// Source: IAM User Guide, "IAM policy elements: Variables and tags".
    ///
    /// # Errors
    /// The policy variable that is malformed.
    pub(super) fn parse(text: &str, wildcards: Wildcards, language: Language) -> Result<Self, VariableError> {
        let mut pieces = Vec::with_capacity(text.len());
        let mut rest = text;
        let mut colons = 0;
        while let Some(first) = rest.chars().next() {
            if language == Language::V2012
                && let Some(inner) = rest.strip_prefix("${")
            {
                let (piece, tail) = variable(inner)?;
                pieces.push(piece);
                rest = tail;
                continue;
            }
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
            colons += usize::from(first == ':');
            // The resource is the last section of an ARN, whatever colons it has.
            let wildcards = match wildcards {
                Wildcards::Arn if colons >= 5 => Wildcards::Any,
                other => other,
            };
            pieces.push(match (first, wildcards) {
                ('*', Wildcards::Any) => Piece::Token(Token::Star),
                ('*', Wildcards::Segment) if rest.is_empty() || rest.starts_with(':') => {
                    Piece::Token(Token::Star)
                }
                ('*', Wildcards::Segment | Wildcards::Arn) => Piece::Token(Token::SegmentStar),
                ('?', Wildcards::Any) => Piece::Token(Token::Any1),
                ('?', Wildcards::Segment | Wildcards::Arn) => Piece::Token(Token::SegmentAny1),
                (c, _) => Piece::Char(c),
            });
        }
        let tokens = tokens(pieces.into_iter());
        let variable = tokens.iter().any(|token| matches!(token, Token::Var(_)));
        Ok(Self { tokens, case: Case::Exact, variable })
    }

    /// The same pattern, for which case does not matter.
    pub(super) fn ignoring_case(self) -> Self {
        Self { case: Case::Ignored, ..self }
    }

    /// The policy variables in it.
    pub(super) fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.tokens.iter().filter_map(|token| match token {
            Token::Var(variable) => Some(&**variable),
            _ => None,
        })
    }

    /// The pattern with the values of its variables in place, which are literal text
    /// whatever characters they have; `None` if a variable has no value.
    pub(super) fn resolved(&self, value: impl Fn(&Variable) -> Option<String>) -> Option<Cow<'_, Self>> {
        if !self.variable {
            return Some(Cow::Borrowed(self));
        }
        let fill = |token: &Token| match token {
            Token::Var(variable) => value(variable).map(|text| Token::Lit(text.into())),
            token => Some(token.clone()),
        };
        let tokens = self.tokens.iter().map(fill).collect::<Option<Vec<_>>>()?;
        Some(Cow::Owned(Self { tokens: tokens.into(), case: self.case, variable: false }))
    }

    /// Whether all of `text` matches. A variable that is not [`Pattern::resolved`]
    /// matches nothing.
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
                    let Some(from) = self.first_chance(at + 1, rest) else { return false };
                    (star, segment) = (Some((at + 1, from)), None);
                    Some(from)
                }
                Some(Token::SegmentStar) => {
                    segment = Some((at + 1, rest));
                    Some(rest)
                }
                Some(Token::Any1) => without_first(rest, |_| true),
                Some(Token::SegmentAny1) => without_first(rest, |c| c != ':'),
                Some(Token::Var(_)) => None,
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
            let grown = star.and_then(|(resume, from)| {
                Some((resume, self.first_chance(resume, without_first(from, |_| true)?)?))
            });
            let Some((resume, from)) = grown else { return false };
            (at, rest, star, segment) = (resume, from, grown, None);
        }
    }

    /// What every text that it matches has.
    pub(super) fn grams(&self) -> Grams {
        if self.variable || self.case != Case::Exact {
            return Grams::default();
        }
        let literals = self.tokens.iter().filter_map(|token| match token {
            Token::Lit(literal) => Some(Grams::of(literal)),
            _ => None,
        });
        literals.fold(Grams::default(), Grams::or)
    }

    /// The text that it matches, if it has no wildcard.
    pub(super) fn literal(&self) -> Option<&str> {
        match &*self.tokens {
            [] => Some(""),
            [Token::Lit(text)] => Some(text),
            _ => None,
        }
    }

    /// The text of the pattern with `*` for whatever is not literal.
    pub(super) fn literal_parts(&self) -> String {
        self.tokens.iter().map(|token| if let Token::Lit(text) = token { text } else { "*" }).collect()
    }

    /// The text from where the token at `at`, behind a `*`, can match for the first time. In texts
    /// as short as ARNs this is faster than a search that has to be prepared, such as `str::find`.
    fn first_chance<'a>(&self, at: usize, text: &'a str) -> Option<&'a str> {
        let literal = match self.tokens.get(at) {
            Some(Token::Lit(literal)) if self.case == Case::Exact => literal.as_bytes(),
            _ => return Some(text),
        };
        // The value of a variable may be empty.
        let Some(first) = literal.first() else { return Some(text) };
        let is_here = |part: &[u8]| part.first() == Some(first) && part == literal;
        text.get(text.as_bytes().windows(literal.len()).position(is_here)?..)
    }

    fn without_literal<'a>(&self, text: &'a str, literal: &str) -> Option<&'a str> {
        match self.case {
            Case::Exact => text.strip_prefix(literal),
            Case::IgnoredInAscii => {
                let (start, rest) = text.split_at_checked(literal.len())?;
                start.eq_ignore_ascii_case(literal).then_some(rest)
            }
            Case::Ignored => {
                let mut rest = text.chars();
                let mut same = |wanted: char| rest.next().is_some_and(|found| same_letter(wanted, found));
                literal.chars().all(&mut same).then_some(rest.as_str())
            }
        }
    }
}

fn same_letter(one: char, other: char) -> bool {
    one == other || one.to_lowercase().eq(other.to_lowercase())
}

fn without_first(text: &str, may: impl Fn(char) -> bool) -> Option<&str> {
    let mut chars = text.chars();
    chars.next().filter(|&c| may(c)).map(|_| chars.as_str())
}

/// A character of a pattern with its meaning.
enum Piece {
    Char(char),
    Token(Token),
}

/// What stands behind `${`, and the text after its brace.
fn variable(inner: &str) -> Result<(Piece, &str), VariableError> {
    let (body, tail) = inner.split_once('}').ok_or(VariableError::Open)?;
    if let "*" | "?" | "$" = body {
        return Ok((Piece::Char(body.chars().next().unwrap_or('$')), tail));
    }
    Ok((Piece::Token(Token::Var(Box::new(Variable::parse(body)?))), tail))
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
            Piece::Token(token) => token,
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

    fn resource(text: &str) -> Pattern {
        Pattern::parse(text, Wildcards::Segment, Language::V2012).unwrap()
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
            assert_eq!(resource(pattern).matches(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn escapes_are_plain_characters_in_the_newer_version_only() {
        assert!(resource("a${*}b${?}${$}").matches("a*b?$"));
        assert!(!resource("a${*}").matches("axx"));
        let old = Pattern::parse("a${*}", Wildcards::Segment, Language::V2008).unwrap();
        assert!(old.matches("a${xyz}"));
    }

    #[test]
    fn values_of_variables_are_literal() {
        let pattern = resource("home/${aws:username}/*${aws:PrincipalTag/x, 'a*'}");
        assert!(!pattern.matches("home//a*"));
        let with = |name: &str| {
            let value = |variable: &Variable| match &*variable.key.name {
                "aws:username" => Some(name.to_owned()),
                _ => variable.default.as_deref().map(str::to_owned),
            };
            pattern.resolved(value).unwrap().into_owned()
        };
        assert!(with("ann").matches("home/ann/xa*") && !with("ann").matches("home/ann/xab"));
        assert!(with("*").matches("home/*/a*") && !with("*").matches("home/ann/a*"));
        assert!(pattern.resolved(|_| None).is_none());
    }

    #[test]
    fn a_text_without_a_group_of_the_literals_is_seen_at_once() {
        let text = Grams::of("arn:aws:ssm:us-east-1:111122223333:parameter/prod/db");
        for (pattern, possible) in [
            ("arn:aws:ssm:*:111122223333:parameter/prod/*", true),
            ("arn:aws:ssm:*:111122223333:parameter/dev/*", false),
            ("arn:aws:ssm:*:111122223333:parameter/${aws:username}/*", true),
            ("*", true),
        ] {
            assert_eq!(resource(pattern).grams().may_be_in(text), possible, "{pattern}");
        }
        let either_case = resource("arn:aws:ssm:*:111122223333:PARAMETER/dev/*").ignoring_case();
        assert!(either_case.grams().may_be_in(text));
    }

    #[test]
    fn actions_ignore_case() {
        assert!(Pattern::action_part("getSECRET*").matches("GetSecretValue"));
        assert!(!Pattern::action_part("Get?").matches("Get"));
    }

    #[test]
    fn long_patterns_do_not_explode() {
        let pattern = format!("arn:{}b", "*a".repeat(200));
        assert!(!resource(&pattern).matches(&format!("arn:{}", "a".repeat(2000))));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn agrees_with_the_naive_matcher(pattern in "[ab:*?]{0,9}", text in "[ab:]{0,10}") {
            let expected = naive(&chars(&pattern), &chars(&text));
            let pattern = resource(&pattern);
            prop_assert_eq!(pattern.matches(&text), expected);
            prop_assert!(!expected || pattern.grams().may_be_in(Grams::of(&text)));
        }
    }
}
