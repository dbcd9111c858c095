//! [`Function`]: what stands for a Lambda function here.
//!
//! Rotation calls functions by the ARN that a secret names. The configuration says what is
//! behind an ARN: an HTTP endpoint that speaks the Lambda invoke protocol, or a command on
//! this host. That mapping is what a function's resource policy is on AWS: only functions
//! in it are called.

use super::Broker;
use std::path::PathBuf;
use std::time::Duration;

/// One function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// The ARN that secrets name it by.
    pub arn: String,
    /// Longest time that one step may take.
    pub timeout: Duration,
    /// Where the words of a failing function are kept, if anywhere.
    pub log: Option<PathBuf>,
    /// What is called.
    pub target: Target,
}

/// What is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An endpoint, as a Lambda runtime interface emulator serves one. It has credentials of
    /// its own.
    Http {
        /// `http://` on loopback, or `https://`.
        url: String,
        /// Certificates to trust for `https://`, as PEM.
        ca_pem: Option<Vec<u8>>,
    },
    /// A program, which gets credentials for each step.
    Command {
        /// The program and its arguments.
        command: Vec<String>,
        /// What the credentials are good for.
        grant: Grant,
    },
}

/// What a command gets credentials of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// ARN of the role that it works as; the role trusts `lambda.amazonaws.com`.
    pub role: String,
    /// ARNs of secrets that it may read beside the one that is rotated, such as a superuser's.
    pub reads: Vec<String>,
}

impl Function {
    /// The function's name: the end of its ARN, or what comes before a version or alias.
    pub fn name(&self) -> &str {
        self.arn.split(':').nth(6).unwrap_or(&self.arn)
    }
}

impl Broker {
    /// What the configuration has for this ARN.
    pub fn function(&self, arn: &str) -> Option<&Function> {
        self.settings.functions.iter().find(|function| function.arn == arn)
    }
}
