//! Values that were read, kept for a while.
//!
//! ```text
//! kept and fresh  -> RecordCachedRead: decided and on record -> the kept value
//! otherwise       -> GetSecretValue or GetParameter          -> kept, and handed out
//! ```
//!
//! A value whose read is refused, or that is no longer there, is forgotten at once.

use super::identity::Identity;
use super::query::{Read, Wanted};
use crate::client::{Client, ClientError};
use crate::protocol::Operation;
use crate::protocol::sealdock::{CachedService, RecordCachedReadRequest};
use crate::protocol::secretsmanager::GetSecretValueRequest;
use crate::protocol::ssm::GetParameterRequest;
use crate::protocol::writer::Encode as _;
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// The values, and as whom they are read.
pub(super) struct Cache {
    identity: Identity,
    ttl: Duration,
    size: usize,
    kept: Mutex<HashMap<Read, Kept>>,
}

struct Kept {
    /// The broker's answer, as it was.
    body: Arc<Zeroizing<Vec<u8>>>,
    version: String,
    read_at: Instant,
    used_at: Instant,
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cache({} values)", self.lock().len())
    }
}

impl Cache {
    /// A `ttl` of zero keeps nothing.
    pub(super) fn new(identity: Identity, ttl: Duration, size: usize) -> Self {
        Self { identity, ttl, size, kept: Mutex::default() }
    }

    /// The JSON of an answer.
    pub(super) async fn read(&self, wanted: Wanted) -> Result<Zeroizing<Vec<u8>>, ClientError> {
        let answer = self.answer(wanted).await;
        if let Err(error) = &answer {
            self.identity.heard(error).await;
        }
        answer
    }

    async fn answer(&self, wanted: Wanted) -> Result<Zeroizing<Vec<u8>>, ClientError> {
        let Wanted { read, refresh, .. } = wanted;
        let client = self.identity.client().await?;
        if !refresh && let Some((body, version)) = self.fresh(&read) {
            let asked = RecordCachedReadRequest {
                service: read.service,
                name: read.name.clone(),
                version_id: read.version_id.clone(),
                version_stage: read.version_stage.clone(),
                with_decryption: read.with_decryption,
                cached_version: version,
            };
            if let Err(error) = client.record_cached_read(&asked).await {
                if matches!(error, ClientError::Api { status: 400..500, .. }) {
                    self.lock().remove(&read);
                }
                return Err(error);
            }
            return Ok(copy(&body));
        }
        let body = fetch(&client, &read).await?;
        if !self.ttl.is_zero() && self.size > 0 {
            self.keep(read, copy(&body));
        }
        Ok(body)
    }

    fn fresh(&self, read: &Read) -> Option<(Arc<Zeroizing<Vec<u8>>>, String)> {
        let mut kept = self.lock();
        let now = Instant::now();
        let found = kept.get_mut(read)?;
        if now.duration_since(found.read_at) >= self.ttl {
            // What is not asked for again is not kept any longer either.
            kept.remove(read);
            return None;
        }
        found.used_at = now;
        Some((Arc::clone(&found.body), found.version.clone()))
    }

    fn keep(&self, read: Read, body: Zeroizing<Vec<u8>>) {
        let Some(version) = version(&body) else { return };
        let now = Instant::now();
        let mut kept = self.lock();
        kept.retain(|_, kept| now.duration_since(kept.read_at) < self.ttl);
        if kept.len() >= self.size && !kept.contains_key(&read) {
            let oldest = kept.iter().min_by_key(|(_, kept)| kept.used_at).map(|(read, _)| read.clone());
            oldest.and_then(|oldest| kept.remove(&oldest));
        }
        kept.insert(read, Kept { body: Arc::new(body), version, read_at: now, used_at: now });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Read, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn fetch(client: &Client, read: &Read) -> Result<Zeroizing<Vec<u8>>, ClientError> {
    match read.service {
        CachedService::SecretsManager => {
            let request = GetSecretValueRequest {
                secret_id: read.name.clone(),
                version_id: read.version_id.clone(),
                version_stage: read.version_stage.clone(),
            };
            client.call(Operation::GetSecretValue, request.encode()).await
        }
        CachedService::Ssm => {
            let request =
                GetParameterRequest { name: read.name.clone(), with_decryption: read.with_decryption };
            client.call(Operation::GetParameter, request.encode()).await
        }
    }
}

/// Into a buffer of its final size, so that no part is left behind.
fn copy(body: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut copied = Zeroizing::new(Vec::with_capacity(body.len()));
    copied.extend_from_slice(body);
    copied
}

/// Which version an answer holds; everything else in it is passed over.
fn version(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        version_id: Option<String>,
        parameter: Option<Parameter>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Parameter {
        version: i64,
    }
    let answer: Answer = serde_json::from_slice(body).ok()?;
    answer.version_id.or_else(|| answer.parameter.map(|parameter| parameter.version.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::Shape;
    use super::*;
    use crate::client::Endpoint;

    fn read(name: &str) -> Read {
        Read {
            service: CachedService::SecretsManager,
            name: name.into(),
            version_id: None,
            version_stage: None,
            with_decryption: true,
        }
    }

    fn cache(ttl: Duration, size: usize) -> Cache {
        let client = Client::new(Endpoint::Unix("/nowhere".into()), None, "us-east-1").unwrap();
        Cache::new(Identity::fixed(client), ttl, size)
    }

    fn body(version: &str) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(format!(r#"{{"SecretString":"canary","VersionId":"{version}"}}"#).into_bytes())
    }

    #[test]
    fn the_value_that_was_used_least_recently_makes_room() {
        let cache = cache(Duration::from_secs(300), 2);
        cache.keep(read("a"), body("1"));
        cache.keep(read("b"), body("2"));
        assert_eq!(cache.fresh(&read("a")).unwrap().1, "1");
        cache.keep(read("c"), body("3"));
        assert!(cache.fresh(&read("b")).is_none());
        assert!(cache.fresh(&read("a")).is_some() && cache.fresh(&read("c")).is_some());
        assert_eq!(format!("{cache:?}"), "Cache(2 values)");
    }

    #[test]
    fn values_grow_old() {
        let cache = cache(Duration::from_millis(20), 9);
        cache.keep(read("a"), body("1"));
        std::thread::sleep(Duration::from_millis(30));
        assert!(cache.fresh(&read("a")).is_none() && cache.lock().is_empty());
    }

    #[test]
    fn versions_of_both_services_are_found() {
        assert_eq!(version(&body("v")).as_deref(), Some("v"));
        assert_eq!(version(br#"{"Parameter":{"Value":"x","Version":7}}"#).as_deref(), Some("7"));
        assert_eq!(version(b"nonsense"), None);
    }

    #[tokio::test]
    async fn without_a_broker_there_is_no_value_even_if_it_is_kept() {
        let cache = cache(Duration::from_secs(300), 9);
        cache.keep(read("a"), body("1"));
        let error =
            cache.read(Wanted { read: read("a"), refresh: false, shape: Shape::Agent }).await.unwrap_err();
        assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
        assert!(cache.fresh(&read("a")).is_some(), "the broker may come back");
    }
}
