//! Sealdock's own operations on the roles of tasks: what the launcher and the task endpoint ask.

use super::exchange::{Answer, Exchange, Failure, blocking};
use super::sealdock::no_session;
use crate::arn::arn;
use crate::broker::Caller;
use crate::protocol::Operation;
use crate::protocol::sealdock::{
    EndTaskRequest, EndTaskResponse, GetTaskCredentialsRequest, GetTaskCredentialsResponse,
    GrantTaskRoleRequest, GrantTaskRoleResponse, LostTasks, not_found,
};
use crate::vault::NewTaskRole;
use serde_json::{Value, json};

pub(super) async fn grant(exchange: &mut Exchange<'_>) -> Answer {
    let request = GrantTaskRoleRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({
        "taskId": request.task_id, "roleArn": request.role_arn, "taskDefinition": request.task_definition,
        "host": request.host,
    }));
    let caller = exchange.context.caller.as_ref();
    let new = NewTaskRole {
        task_id: &request.task_id,
        role: &request.role_arn,
        task_definition: request.task_definition.as_deref(),
        host: request.host.as_deref(),
        by: caller.map_or("", |caller| &*caller.arn),
        made_with: caller.and_then(Caller::access_key_id),
    };
    let passed = exchange.broker.pass_task_role(&exchange.context, new.role, new.task_id).await;
    let passed = passed.map_err(|e| no_session(exchange, e, new.role))?;
    let granted = blocking(|| exchange.broker.grant_task_role(passed, new));
    let credentials_id = granted.map_err(|e| super::internal(&e))?;
    exchange.answer(&GrantTaskRoleResponse { credentials_id })
}

pub(super) async fn credentials(exchange: &mut Exchange<'_>) -> Answer {
    let request = GetTaskCredentialsRequest::decode(exchange.body)?;
    // The id is a secret, so the record says what it stands for.
    let granted = exchange.broker.task_role(&request.credentials_id);
    let any_role = || arn("iam", "", &exchange.scope.account, &["role/*"]);
    let role = granted.as_ref().map_or_else(any_role, |granted| granted.role.clone());
    let task_id = granted.as_ref().map(|granted| granted.task_id.clone());
    exchange.context.parameters = Some(json!({ "taskId": task_id, "roleArn": role }));
    let action = Operation::GetTaskCredentials.action();
    let permit = exchange.authorize(&action, &role, &role).await?;
    let granted =
        granted.ok_or_else(|| not_found("The task of these credentials has ended, or never was."))?;
    let found = exchange.broker.task_credentials(&exchange.context, &permit, &granted).await;
    let found = found.map_err(|e| no_session(exchange, e, &role))?;
    exchange.answer(&GetTaskCredentialsResponse {
        task_id: granted.task_id,
        role_arn: granted.role,
        access_key_id: found.claims.access_key_id,
        secret_access_key: found.secret,
        session_token: found.token,
        expiration: found.claims.expires,
    })
}

pub(super) async fn end(exchange: &mut Exchange<'_>) -> Answer {
    match EndTaskRequest::decode(exchange.body)? {
        EndTaskRequest::Task(task_id) => {
            let shown = json!({ "taskId": task_id });
            end_one(exchange, shown, &task_id).await?;
        }
        EndTaskRequest::Lost(LostTasks { host, present, after }) => {
            exchange.context.parameters =
                Some(json!({ "host": host, "presentTaskIds": present, "afterSeconds": after.as_secs() }));
            let _permit = exchange.authorize(&Operation::EndTask.action(), "*", "*").await?;
            for task_id in exchange.broker.lost_tasks(&host, &present, after) {
                let shown = json!({ "taskId": task_id, "host": host });
                end_one(exchange, shown, &task_id).await?;
            }
        }
    }
    exchange.answer(&EndTaskResponse)
}

/// Each end is on record by itself, so that it is found with its task.
async fn end_one(exchange: &mut Exchange<'_>, shown: Value, task_id: &str) -> Result<(), Failure> {
    exchange.context.parameters = Some(shown);
    let permit = exchange.authorize(&Operation::EndTask.action(), "*", "*").await?;
    let by = exchange.context.caller.as_ref().map_or("", |caller| &*caller.arn);
    blocking(|| exchange.broker.end_task(&permit, task_id, by)).map_err(|e| super::internal(&e))?;
    Ok(())
}
