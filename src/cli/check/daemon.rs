//! What the daemon itself says, if one runs: where it is in its life, and what it has trouble with.

use super::report::Finding;
use crate::cli::args::Places;
use crate::cli::{Env, ask};
use crate::control::status::{Phase, Status};

/// Nothing where no daemon answers: before the first start there is none.
pub(super) async fn daemon(places: &Places, env: Env<'_>) -> Vec<Finding> {
    let Ok(client) = ask::client(places, env) else { return Vec::new() };
    match ask::ask_status(&client).await {
        Ok(status) => tell(&status),
        Err(_nobody) => Vec::new(),
    }
}

fn tell(status: &Status) -> Vec<Finding> {
    let what = format!("nonstop {} runs: {}", status.version, status.phase.words());
    let mut findings = vec![match status.phase {
        Phase::OnAir | Phase::StandingBy => Finding::tick("daemon", what),
        _ => Finding::advice("daemon", format!("{what}; `nonstop status` says more")),
    }];
    findings.extend(status.troubles.iter().map(|trouble| {
        let hint = trouble.hint.as_ref().map(|hint| format!("\n\nhint: {hint}")).unwrap_or_default();
        Finding::advice(trouble.part.as_str(), format!("{}{hint}", trouble.reason))
    }));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::status::tests::on_air;
    use crate::control::status::{Part, Trouble};

    fn text(status: &Status) -> String {
        tell(status).iter().map(|finding| finding.text(80, false)).collect()
    }

    #[test]
    fn a_daemon_says_where_it_is_and_what_troubles_it() {
        let mut status = on_air();
        assert_eq!(text(&status), "✓ daemon            nonstop 0.1.0 runs: on air\n");
        status.phase = Phase::Degraded;
        let reason = "cannot list s3://music/lofi/renditions/: access denied".into();
        let hint = Some("the role's policy has to allow it; docs/aws.md shows the least that serves".into());
        status.troubles = vec![Trouble { part: Part::Renditions, reason, hint }];
        insta::assert_snapshot!(text(&status));
    }
}
