//! Signing and verification against AWS's published vectors and against the AWS SDK.
