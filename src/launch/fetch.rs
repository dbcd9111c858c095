//! The calls behind references: a session of the execution role, then every read
//! that is needed, each once, a few at a time.
//!
//! An answer that is an error is an answer too: what it means for which reference
//! is decided by `ecs::injection`, when all answers are there. Retries are the
//! client's business.

use crate::client::{Client, ClientError};
use crate::ecs::fetched::{FetchError, Fetched, FetchedParameter, FetchedSecret};
use crate::ecs::plan::{ParameterBatch, Reads, SecretRead};
use crate::protocol::sealdock::CreateTaskSessionRequest;
use crate::protocol::secretsmanager::SecretContent;
use futures_util::future::Either;
use futures_util::{StreamExt, stream};
use std::collections::HashMap;

/// Calls under way at once.
const CONCURRENCY: usize = 8;

/// The same broker as the execution role of a task.
pub(super) async fn act_as(
    client: &Client,
    role: &str,
    task_id: &str,
    task_definition: &str,
) -> Result<Client, ClientError> {
    let request = CreateTaskSessionRequest {
        role_arn: role.to_owned(),
        session_name: task_id.to_owned(),
        task_definition: Some(task_definition.to_owned()),
    };
    let session = client.create_task_session(&request).await?;
    Ok(client.with_credentials(session.credentials.into()))
}

/// Makes the calls. `client` acts as the execution role and is set to the Region
/// of references without one.
pub(super) async fn fetch(client: &Client, reads: &Reads) -> Fetched {
    let mut fetched = Fetched::new(client.region());
    let secrets = reads.secrets.iter().map(|read| Either::Left(secret(client, read)));
    let parameters = reads.parameters.iter().map(|batch| Either::Right(parameters(client, batch)));
    let calls = secrets.chain(parameters).map(|call| async {
        match call {
            Either::Left(secret) => Either::Left(secret.await),
            Either::Right(batch) => Either::Right(batch.await),
        }
    });
    let mut answers = stream::iter(calls).buffer_unordered(CONCURRENCY);
    while let Some(answer) = answers.next().await {
        match answer {
            Either::Left((read, answer)) => fetched.secret(read.clone(), answer),
            Either::Right((batch, answer)) => fetched.parameters(batch, answer),
        }
    }
    fetched
}

async fn secret<'a>(
    client: &Client,
    read: &'a SecretRead,
) -> (&'a SecretRead, Result<FetchedSecret, FetchError>) {
    let client = match read.region.as_str() {
        "" => client.clone(),
        region => client.with_region(region),
    };
    let (version_id, stage) = (read.version_id.as_deref(), read.version_stage.as_deref());
    let answer = client.get_secret_value(&read.secret_id, version_id, stage).await;
    let answer = answer.map_err(failure).map(|found| FetchedSecret {
        arn: found.arn,
        version_id: found.version_id,
        text: match found.content {
            SecretContent::String(text) => Some(text),
            SecretContent::Binary(_) => None,
        },
    });
    (read, answer)
}

async fn parameters<'a>(
    client: &Client,
    batch: &'a ParameterBatch,
) -> (&'a ParameterBatch, Result<HashMap<String, FetchedParameter>, FetchError>) {
    let client = batch.region.as_deref().map_or_else(|| client.clone(), |region| client.with_region(region));
    let answer = client.get_parameters(&batch.names).await.map_err(failure).map(|found| {
        let named = found.parameters.into_iter().map(|parameter| {
            // A name with a selector is answered as the name and the selector apart.
            let asked = format!("{}{}", parameter.name, parameter.selector.unwrap_or_default());
            let version = parameter.version.to_string();
            (asked, FetchedParameter { arn: parameter.arn, version, value: parameter.value })
        });
        named.collect()
    });
    (batch, answer)
}

fn failure(error: ClientError) -> FetchError {
    match error {
        ClientError::Api { status, code, message, request_id } => {
            FetchError::Service { status, code, message, request_id: request_id.unwrap_or_default() }
        }
        other => FetchError::Unanswered(other.to_string()),
    }
}
