//! What the log says of a job's end.

use crate::render::queue::Outcome;
use crate::telemetry::messages;

/// Says how the job for `source` ended.
pub(super) fn tell(source: &str, outcome: &Outcome) {
    match outcome {
        Outcome::Pictured => {
            tracing::info!(message_id = messages::PICTURE_READY, source, "the picture is ready");
        }
        Outcome::Rendered(known) => {
            let (rendition, cells) = (&known.id, known.cells);
            tracing::info!(message_id = messages::RENDERED, source, %rendition, cells, "rendered a track");
        }
        Outcome::Elsewhere => tracing::debug!(source, "another node has rendered it"),
        Outcome::Refused(reason) => {
            tracing::warn!(message_id = messages::SET_ASIDE, source, reason, "a file is set aside");
        }
        Outcome::Failed(reason) => {
            tracing::warn!(message_id = messages::RENDER_FAILED, source, reason, "a render failed");
        }
        Outcome::Away(reason) => {
            tracing::warn!(message_id = messages::FILE_AWAY, source, reason, "a file cannot be reached");
        }
        Outcome::Unpictured(reason) => {
            tracing::warn!(message_id = messages::PICTURE_ANEW, source, reason, "the picture is made anew");
        }
        Outcome::Held(reason) => {
            tracing::error!(message_id = messages::RENDERING_PAUSED, source, reason, "rendering is paused");
        }
    }
}
