//! Opening a log: what is there is checked before anything is added.
use super::queue::Queue;
use super::{AuditError, Event, Options};
use std::sync::Arc;
pub(super) fn start(options: Options) -> Result<(Arc<Queue>, Option<Event>), AuditError> {
    Err(AuditError::InUse(options.dir))
}
