//! The operations that the launch side and the command line use, typed.

use super::{Client, ClientError};
use crate::protocol::Operation;
use crate::protocol::error::ApiError;
use crate::protocol::sealdock::{
    AccessKey, AccessKeyStatus, AccessKeySummary, Binding, CreateAccessKeyRequest, CreateAccessKeyResponse,
    CreateTaskSessionRequest, CreateTaskSessionResponse, DeleteAccessKeyRequest, EndTaskRequest,
    ForgetBindingsRequest, GetTaskCredentialsRequest, GetTaskCredentialsResponse, GrantTaskRoleRequest,
    GrantTaskRoleResponse, KeyOwner, ListAccessKeysRequest, ListAccessKeysResponse, ListBindingsRequest,
    ListBindingsResponse, ListRevocationsRequest, ListRevocationsResponse, LostTasks,
    RecordCachedReadRequest, RecordInjectionsRequest, Revocation, RevokeSessionsRequest, Revoked,
    SessionCredentials, UpdateAccessKeyRequest, WhoAmIRequest, WhoAmIResponse,
};
use crate::protocol::secretsmanager::{GetSecretValueRequest, GetSecretValueResponse};
use crate::protocol::ssm::{GetParametersRequest, GetParametersResponse};
use crate::protocol::writer::Encode;
use crate::secret::SecretValue;

/// Every call fails as [`Client::call`] does, or with [`ClientError::Protocol`] if the
/// answer does not have the members that it must have.
impl Client {
    /// The value of one version of a secret; the current one if neither id nor stage
    /// is given.
    pub async fn get_secret_value(
        &self,
        secret_id: &str,
        version_id: Option<&str>,
        version_stage: Option<&str>,
    ) -> Result<GetSecretValueResponse, ClientError> {
        let request = GetSecretValueRequest {
            secret_id: secret_id.to_owned(),
            version_id: version_id.map(str::to_owned),
            version_stage: version_stage.map(str::to_owned),
        };
        self.typed(Operation::GetSecretValue, &request, GetSecretValueResponse::decode).await
    }

    /// Up to ten parameters, decrypted.
    pub async fn get_parameters(&self, names: &[String]) -> Result<GetParametersResponse, ClientError> {
        let request = GetParametersRequest { names: names.to_vec(), with_decryption: true };
        self.typed(Operation::GetParameters, &request, GetParametersResponse::decode).await
    }

    /// Credentials of a role for one task.
    pub async fn create_task_session(
        &self,
        request: &CreateTaskSessionRequest,
    ) -> Result<CreateTaskSessionResponse, ClientError> {
        self.typed(Operation::CreateTaskSession, request, CreateTaskSessionResponse::decode).await
    }

    /// Lets the containers of a task have credentials of a role; the id by which they get them.
    pub async fn grant_task_role(&self, request: &GrantTaskRoleRequest) -> Result<SecretValue, ClientError> {
        let response = self.typed(Operation::GrantTaskRole, request, GrantTaskRoleResponse::decode).await?;
        Ok(response.credentials_id)
    }

    /// The credentials that an id stands for.
    pub async fn get_task_credentials(
        &self,
        credentials_id: SecretValue,
    ) -> Result<GetTaskCredentialsResponse, ClientError> {
        let request = GetTaskCredentialsRequest { credentials_id };
        self.typed(Operation::GetTaskCredentials, &request, GetTaskCredentialsResponse::decode).await
    }

    /// Takes the roles of a task away and ends its sessions.
    pub async fn end_task(&self, task_id: &str) -> Result<(), ClientError> {
        let request = EndTaskRequest::Task(task_id.to_owned());
        self.typed(Operation::EndTask, &request, |_| Ok(())).await
    }

    /// The same for the tasks of an engine that has no containers of theirs any more.
    pub async fn end_lost_tasks(&self, lost: LostTasks) -> Result<(), ClientError> {
        self.typed(Operation::EndTask, &EndTaskRequest::Lost(lost), |_| Ok(())).await
    }

    /// Whether a value that was read before may be handed out once more; it is on record then.
    pub async fn record_cached_read(&self, request: &RecordCachedReadRequest) -> Result<(), ClientError> {
        self.typed(Operation::RecordCachedRead, request, |_| Ok(())).await
    }

    /// Puts on record what goes into a container.
    pub async fn record_injections(&self, request: &RecordInjectionsRequest) -> Result<(), ClientError> {
        self.typed(Operation::RecordInjections, request, |_| Ok(())).await
    }

    /// The bindings of one container, or of all.
    pub async fn list_bindings(&self, container_id: Option<&str>) -> Result<Vec<Binding>, ClientError> {
        let request = ListBindingsRequest { container_id: container_id.map(str::to_owned) };
        let response = self.typed(Operation::ListBindings, &request, ListBindingsResponse::decode).await?;
        Ok(response.bindings)
    }

    /// Drops the bindings of containers that are gone.
    pub async fn forget_bindings(&self, container_ids: Vec<String>) -> Result<(), ClientError> {
        let request = ForgetBindingsRequest { container_ids };
        self.typed(Operation::ForgetBindings, &request, |_| Ok(())).await
    }

    /// Makes an access key.
    pub async fn create_access_key(&self, owner: KeyOwner) -> Result<AccessKey, ClientError> {
        let request = CreateAccessKeyRequest { owner };
        let response =
            self.typed(Operation::CreateAccessKey, &request, CreateAccessKeyResponse::decode).await?;
        Ok(response.access_key)
    }

    /// The access keys of one principal, or all.
    pub async fn list_access_keys(
        &self,
        principal_arn: Option<&str>,
    ) -> Result<Vec<AccessKeySummary>, ClientError> {
        let request = ListAccessKeysRequest { principal_arn: principal_arn.map(str::to_owned) };
        let response =
            self.typed(Operation::ListAccessKeys, &request, ListAccessKeysResponse::decode).await?;
        Ok(response.access_keys)
    }

    /// Activates or deactivates an access key.
    pub async fn update_access_key(
        &self,
        access_key_id: &str,
        status: AccessKeyStatus,
    ) -> Result<(), ClientError> {
        let request = UpdateAccessKeyRequest { access_key_id: access_key_id.to_owned(), status };
        self.typed(Operation::UpdateAccessKey, &request, |_| Ok(())).await
    }

    /// Deletes an access key.
    pub async fn delete_access_key(&self, access_key_id: &str) -> Result<(), ClientError> {
        let request = DeleteAccessKeyRequest { access_key_id: access_key_id.to_owned() };
        self.typed(Operation::DeleteAccessKey, &request, |_| Ok(())).await
    }

    /// Ends sessions at once.
    pub async fn revoke_sessions(&self, revoked: Revoked) -> Result<(), ClientError> {
        self.typed(Operation::RevokeSessions, &RevokeSessionsRequest { revoked }, |_| Ok(())).await
    }

    /// Which sessions were ended.
    pub async fn list_revocations(&self) -> Result<Vec<Revocation>, ClientError> {
        let request = ListRevocationsRequest;
        let response =
            self.typed(Operation::ListRevocations, &request, ListRevocationsResponse::decode).await?;
        Ok(response.revocations)
    }

    /// Who the broker takes this client for.
    pub async fn who_am_i(&self) -> Result<WhoAmIResponse, ClientError> {
        self.typed(Operation::WhoAmI, &WhoAmIRequest, WhoAmIResponse::decode).await
    }

    async fn typed<T>(
        &self,
        operation: Operation,
        request: &impl Encode,
        decode: fn(&[u8]) -> Result<T, ApiError>,
    ) -> Result<T, ClientError> {
        let answer = self.call(operation, request.encode()).await?;
        decode(&answer).map_err(|error| super::unexpected(operation, &error))
    }
}

impl From<SessionCredentials> for super::Credentials {
    fn from(session: SessionCredentials) -> Self {
        Self {
            access_key_id: session.access_key_id,
            secret_access_key: session.secret_access_key,
            session_token: Some(session.session_token),
        }
    }
}
