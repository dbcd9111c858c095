//! Filters of `ListSecrets` and `BatchGetSecretValue`.
//!
//! A secret has to match every filter, and of a filter one value; a value that begins
//! with `!` matches the secrets which the rest of it does not match.
//!
//! | key | what matches |
//! |---|---|
//! | name, tag-key, tag-value, primary-region | the beginning, as it is spelled |
//! | owning-service | nothing: no AWS service makes secrets here |
//! | description | every word of the value begins a word of the description, in any case |
//! | all | every word begins a word of the name, the description or a tag, in any case |
//!
//! Words end where punctuation or blanks are, where letters and digits meet, and in
//! front of a capital that follows a small letter.
//!
//! Sources: API Reference, `Filter`; User Guide, "Find secrets". For descriptions the two
//! differ; the service does what the guide says.

use crate::protocol::secretsmanager::{Filter, FilterKey};
use crate::vault::SecretRecord;

/// Whether a secret matches every filter.
pub(super) fn matches(filters: &[Filter], record: &SecretRecord) -> bool {
    filters.iter().all(|filter| {
        filter.values.iter().any(|value| match value.strip_prefix('!') {
            Some(rest) => !matches_value(filter.key, rest, record),
            None => matches_value(filter.key, value, record),
        })
    })
}

/// Beginnings of names, of which every secret that matches has one; none if any name may match.
pub(super) fn name_prefixes(filters: &[Filter]) -> Vec<String> {
    let including = |filter: &&Filter| {
        filter.key == FilterKey::Name && filter.values.iter().all(|value| !value.starts_with('!'))
    };
    filters.iter().find(including).map(|filter| filter.values.clone()).unwrap_or_default()
}

fn matches_value(key: FilterKey, value: &str, record: &SecretRecord) -> bool {
    let description = || record.description.as_deref();
    match key {
        FilterKey::Name => record.name.starts_with(value),
        FilterKey::Description => words_begin(value, description().into_iter()),
        FilterKey::TagKey => record.tags.iter().any(|(k, _)| k.starts_with(value)),
        FilterKey::TagValue => record.tags.iter().any(|(_, v)| v.starts_with(value)),
        FilterKey::PrimaryRegion => record.shown_primary_region().is_some_and(|r| r.starts_with(value)),
        // No AWS service makes secrets here.
        FilterKey::OwningService => false,
        FilterKey::All => {
            let tags = record.tags.iter().flat_map(|(k, v)| [k.as_str(), v.as_str()]);
            words_begin(value, std::iter::once(record.name.as_str()).chain(description()).chain(tags))
        }
    }
}

/// Whether each word of `value` begins a word of one of the texts.
fn words_begin<'t>(value: &str, texts: impl Iterator<Item = &'t str>) -> bool {
    let mut wanted: Vec<&str> = words(value);
    if wanted.is_empty() {
        return value.is_empty();
    }
    for text in texts {
        for word in words(text) {
            wanted.retain(|wanted| !begins(word, wanted));
        }
        if wanted.is_empty() {
            return true;
        }
    }
    false
}

/// Whether `text` begins with `start`, in any case.
fn begins(text: &str, start: &str) -> bool {
    let mut text = text.chars().flat_map(char::to_lowercase);
    start.chars().flat_map(char::to_lowercase).all(|c| text.next() == Some(c))
}

fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut begun: Option<usize> = None;
    let mut before = ' ';
    let mut rest = text.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        // An acronym gives its last capital to the word that follows it: COMPANYthings is COMPAN and Ythings.
        let capital = before.is_lowercase() || rest.peek().is_some_and(|(_, next)| next.is_lowercase());
        let cut = !c.is_alphanumeric()
            || before.is_numeric() != c.is_numeric()
            || (capital && before.is_alphabetic() && c.is_uppercase());
        if cut && let Some(from) = begun.take() {
            words.extend(text.get(from..at));
        }
        if c.is_alphanumeric() {
            begun = begun.or(Some(at));
        }
        before = c;
    }
    words.extend(begun.and_then(|from| text.get(from..)));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_as_the_user_guide_has_them() {
        assert_eq!(words("credsDatabase#892"), ["creds", "Database", "892"]);
        assert_eq!(words("/my_secret+value-x.y@z=1!"), ["my", "secret", "value", "x", "y", "z", "1"]);
        assert_eq!(words("ABCdef ÄöÜ 3a COMPANY"), ["AB", "Cdef", "Äö", "Ü", "3", "a", "COMPANY"]);
        assert_eq!(words(" -- "), Vec::<&str>::new());
    }

    #[test]
    fn descriptions_match_by_words() {
        let described = |value: &str, text: &str| words_begin(value, std::iter::once(text));
        for text in ["My Description", "my description", "My basic description", "Description of my secret"] {
            assert!(described("My Description", text), "{text}");
        }
        assert!(described("a secret", "an secret") && described("a", "asecret"));
        assert!(!described("a secret", "asecret") && !described("a", "thesecret"));
        assert!(described("", "x") && !described("-", "x-y") && !words_begin("a", std::iter::empty()));
    }

    #[test]
    fn only_names_that_must_begin_so_narrow_a_list() {
        let filter = |key, values: &[&str]| Filter {
            key,
            values: values.iter().map(|&value| value.to_owned()).collect(),
        };
        let names = filter(FilterKey::Name, &["a", "b"]);
        assert_eq!(name_prefixes(&[filter(FilterKey::All, &["x"]), names]), ["a", "b"]);
        assert!(name_prefixes(&[filter(FilterKey::Name, &["a", "!b"])]).is_empty());
    }
}
