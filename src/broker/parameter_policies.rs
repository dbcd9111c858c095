//! Parameter policies whose time has come: recorded, then carried out.
//!
//! AWS sends an event to EventBridge ("Parameter Store Policy Action"). Here the event is a
//! record of the audit log with the same detail, and a count in the metrics. A deletion is
//! on record before it happens.

use super::{Broker, MaintenanceError};
use crate::audit::{Event, EventType, IdentityType, Resource, UserIdentity};
use crate::vault::{DuePolicy, InlineRule};
use serde_json::json;

impl Broker {
    /// Carries out the parameter policies that are due.
    ///
    /// # Errors
    /// What the log or the vault says; what is left over is due again the next time.
    pub fn enforce_parameter_policies(&self) -> Result<(), MaintenanceError> {
        let parameters = self.vault.parameters();
        for due in parameters.due() {
            self.audit.note(policy_action(self, &due)).wait()?;
            parameters.enforce(&due)?;
            let count = match due.policy.rule {
                InlineRule::Expiration { .. } => &self.metrics.parameters_expired,
                InlineRule::ExpirationNotification { .. } => &self.metrics.parameter_expirations_announced,
                InlineRule::NoChangeNotification { .. } => &self.metrics.parameters_unchanged,
            };
            count.count();
        }
        Ok(())
    }
}

fn policy_action<'a>(broker: &Broker, due: &'a DuePolicy) -> Event<'a> {
    let identity = UserIdentity {
        kind: IdentityType::AwsService,
        invoked_by: Some("sealdock".into()),
        ..UserIdentity::default()
    };
    let mut event = Event::new("ssm.amazonaws.com", "ParameterStorePolicyAction", identity);
    event.event_type = EventType::AwsServiceEvent;
    event.event_time = Some(broker.now());
    event.aws_region = due.scope.region.as_str().into();
    event.recipient_account_id = due.scope.account.as_str().into();
    event.source_ip_address = "sealdock".into();
    event.resources.push(Resource {
        arn: due.arn.as_str().into(),
        account_id: Some(due.scope.account.as_str().into()),
        kind: Some("AWS::SSM::Parameter".into()),
    });
    event.additional_event_data = Some(json!({
        "detail-type": "Parameter Store Policy Action",
        "detail": {
            "parameter-name": due.name, "parameter-type": due.kind.as_str(),
            "policy-type": due.policy.rule.name(), "policy-content": due.policy.text,
        },
    }));
    event
}
