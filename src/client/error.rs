//! [`ClientError`]: why a call failed, in words for the person at the terminal.

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection could be made, so nothing was sent.
    #[error("cannot reach the broker at {endpoint}: {reason}; is it running? start it with `sealdock serve`")]
    Unreachable {
        /// Where.
        endpoint: String,
        /// What the operating system or TLS said.
        reason: String,
    },
    /// The connection broke before the answer was whole.
    #[error("the connection to the broker at {endpoint} broke: {reason}")]
    Broken {
        /// Where.
        endpoint: String,
        /// How.
        reason: String,
    },
    /// No answer in time.
    #[error("the broker at {endpoint} did not answer within {seconds} seconds")]
    Timeout {
        /// Where.
        endpoint: String,
        /// The limit.
        seconds: u64,
    },
    /// The broker answered with an error.
    #[error("{code}{}{message}{}", if message.is_empty() { "" } else { ": " }, in_request(request_id.as_deref()))]
    Api {
        /// The HTTP status.
        status: u16,
        /// The error's name, such as `ResourceNotFoundException`.
        code: String,
        /// Its text.
        message: String,
        /// To find it in the audit log.
        request_id: Option<String>,
    },
    /// The CA certificate cannot be used.
    #[error("TLS for {endpoint} cannot be set up: {reason}")]
    Tls {
        /// Where.
        endpoint: String,
        /// Why not.
        reason: String,
    },
    /// The answer is not what a broker sends.
    #[error("unexpected answer: {0}")]
    Protocol(String),
}

impl ClientError {
    /// The error's name, if the broker answered with one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Api { code, .. } => Some(code),
            _ => None,
        }
    }
}

fn in_request(id: Option<&str>) -> String {
    id.map(|id| format!(" (request id {id})")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_place_and_the_remedy() {
        let error =
            ClientError::Unreachable { endpoint: "unix:/s".into(), reason: "connection refused".into() };
        assert_eq!(
            error.to_string(),
            "cannot reach the broker at unix:/s: connection refused; is it running? start it with `sealdock serve`"
        );
        let error = ClientError::Api {
            status: 400,
            code: "ParameterNotFound".into(),
            message: String::new(),
            request_id: Some("7".into()),
        };
        assert_eq!(error.to_string(), "ParameterNotFound (request id 7)");
    }
}
