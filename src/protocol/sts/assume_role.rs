//! `AssumeRole`.

use super::errors::validation;
use super::others::Credentials;
use crate::protocol::error::ApiError;
use crate::protocol::fields::Fields;
use crate::protocol::query::{document, element, nested};
use crate::protocol::rules::{
    EXTERNAL_ID, ROLE_ARN, SERIAL_NUMBER, SESSION_NAME, SESSION_POLICY, STS_TAG_KEY, STS_TAG_VALUE,
    TOKEN_CODE, Text,
};
use zeroize::Zeroizing;

const ARN: Text = Text::length(20, 2048).matching(&ROLE_ARN);
const NAME: Text = Text::length(2, 64).matching(&SESSION_NAME);
const TAG_KEY: Text = Text::length(1, 128).matching(&STS_TAG_KEY);

/// A role, and how its session is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssumeRoleRequest {
    /// The role.
    pub role_arn: String,
    /// Names the session in ARNs and in the audit log.
    pub role_session_name: String,
    /// Session policy, as JSON.
    pub policy: Option<String>,
    /// ARNs of managed policies that limit the session.
    pub policy_arns: Vec<String>,
    /// How long it lives, in seconds.
    pub duration_seconds: Option<i64>,
    /// Session tags.
    pub tags: Vec<(String, String)>,
    /// Keys of the tags that sessions made from this one inherit.
    pub transitive_tag_keys: Vec<String>,
    /// What the role's owner asks third parties for.
    pub external_id: Option<String>,
    /// The caller's MFA device.
    pub serial_number: Option<String>,
    /// The MFA device's code.
    pub token_code: Option<String>,
    /// Who stands behind the session.
    pub source_identity: Option<String>,
}

impl AssumeRoleRequest {
    /// Reads the form, as JSON.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub fn decode(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let tags = fields.structures("Tags", (0, 50), |tag| {
            let key = tag.required_text("Key", TAG_KEY)?;
            let value = tag.required_text("Value", Text::length(0, 256).matching(&STS_TAG_VALUE))?;
            Ok((key, value))
        })?;
        let policy_arns =
            fields.structures("PolicyArns", (0, 10), |policy| policy.required_text("arn", ARN))?;
        let request = Self {
            role_arn: fields.required_text("RoleArn", ARN)?,
            role_session_name: fields.required_text("RoleSessionName", NAME)?,
            policy: fields.text("Policy", Text::length(1, 2048).matching(&SESSION_POLICY))?,
            policy_arns: policy_arns.unwrap_or_default(),
            duration_seconds: fields.integer("DurationSeconds", 900, 43_200)?,
            tags: tags.unwrap_or_default(),
            transitive_tag_keys: fields.texts("TransitiveTagKeys", (0, 50), TAG_KEY)?.unwrap_or_default(),
            external_id: fields.text("ExternalId", Text::length(2, 1224).matching(&EXTERNAL_ID))?,
            serial_number: fields.text("SerialNumber", Text::length(9, 256).matching(&SERIAL_NUMBER))?,
            token_code: fields.text("TokenCode", Text::length(6, 6).matching(&TOKEN_CODE).sensitive())?,
            source_identity: fields.text("SourceIdentity", NAME)?,
        };
        let request = fields.finish(request)?;
        if !is_arn(&request.role_arn) {
            return Err(validation(format!("{} is invalid", request.role_arn)));
        }
        Ok(request)
    }
}

/// Whether a text has the parts of an ARN; which of them exist is for policies to say.
fn is_arn(text: &str) -> bool {
    match text.splitn(6, ':').collect::<Vec<_>>().as_slice() {
        ["arn", partition, service, _, _, resource] => {
            [partition, service, resource].iter().all(|part| !part.is_empty())
        }
        _ => false,
    }
}

/// The session.
#[derive(Debug)]
pub struct AssumeRoleResponse {
    /// Its credentials.
    pub credentials: Credentials,
    /// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`
    pub assumed_role_arn: String,
    /// `AROA...:SESSION`
    pub assumed_role_id: String,
    /// How much of the room for session policies and tags is used, in percent, if there are any.
    pub packed_policy_size: Option<usize>,
    /// Who stands behind the session.
    pub source_identity: Option<String>,
}

impl AssumeRoleResponse {
    /// The XML document.
    pub fn encode(&self, request_id: &str) -> Zeroizing<Vec<u8>> {
        document("AssumeRole", request_id, |out| {
            nested(out, "AssumedRoleUser", |out| {
                element(out, "AssumedRoleId", &self.assumed_role_id);
                element(out, "Arn", &self.assumed_role_arn);
            });
            self.credentials.write(out);
            if let Some(percent) = self.packed_policy_size {
                element(out, "PackedPolicySize", &percent.to_string());
            }
            if let Some(identity) = &self.source_identity {
                element(out, "SourceIdentity", identity);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretValue;

    #[test]
    fn all_broken_constraints_are_named() {
        let body =
            br#"{"RoleArn": "role", "RoleSessionName": "a/b", "DurationSeconds": 5, "TokenCode": "x1"}"#;
        let text = AssumeRoleRequest::decode(body).unwrap_err().message;
        assert!(text.starts_with("5 validation errors detected: Value 'role' at 'roleArn' failed"), "{text}");
        assert!(text.contains("Value 'a/b' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*"), "{text}");
        assert!(text.contains("'durationSeconds'") && !text.contains("x1"), "{text}");
    }

    #[test]
    fn a_role_is_an_arn() {
        for wrong in [
            "nothing-valid-in-here",
            "arn::b:::something/test-role",
            "arn:a::::something/test-role",
            "arn:a:::something/test-role",
            "arn:a:a::aaaaaaaaaa:",
        ] {
            let body = format!(r#"{{"RoleArn": "{wrong}", "RoleSessionName": "s1"}}"#);
            let error = AssumeRoleRequest::decode(body.as_bytes()).unwrap_err();
            assert_eq!((error.code, error.message), ("ValidationError", format!("{wrong} is invalid")));
        }
        assert!(is_arn("arn:aws:iam::123456789012:role/a") && is_arn("arn:a:a::aaaaaaaaaa:x"));
    }

    #[test]
    fn answers_are_xml() {
        let response = AssumeRoleResponse {
            credentials: Credentials {
                access_key_id: "ASIAX".into(),
                secret_access_key: SecretValue::from("s/+".to_owned()),
                session_token: SecretValue::from("t==".to_owned()),
                expiration: jiff::Timestamp::from_millisecond(1_732_412_345_678).unwrap(),
            },
            assumed_role_arn: "arn:x".into(),
            assumed_role_id: "AROA:s".into(),
            packed_policy_size: Some(7),
            source_identity: None,
        };
        assert_eq!(
            std::str::from_utf8(&response.encode("r1")).unwrap(),
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n<AssumeRoleResult><AssumedRoleUser>\
             <AssumedRoleId>AROA:s</AssumedRoleId><Arn>arn:x</Arn></AssumedRoleUser><Credentials>\
             <AccessKeyId>ASIAX</AccessKeyId><SecretAccessKey>s/+</SecretAccessKey><SessionToken>t==</SessionToken>\
             <Expiration>2024-11-24T01:39:05Z</Expiration></Credentials><PackedPolicySize>7</PackedPolicySize>\
             </AssumeRoleResult><ResponseMetadata><RequestId>r1</RequestId></ResponseMetadata></AssumeRoleResponse>\n"
        );
    }
}
