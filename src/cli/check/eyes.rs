//! What root sees, but the packaged service does not.

use super::report::{Finding, Mark};
use crate::cli::{Exit, Failure};
use crate::config::Config;
use crate::host::unit::{Shut, Unit, shut};
use std::path::Path;

/// A finding about the file or folder at `path`, as it stands with `unit`, if root looks for one. `key`
/// is what its content is to be called as a credential, if that is for nobody else to read.
pub(super) fn see(finding: Finding, unit: Option<&Unit>, path: &Path, key: Option<&str>) -> Finding {
    match unit {
        Some(unit) => judge(finding, unit, shut(path), key.map(|name| (name, path))),
        None => finding,
    }
}

/// What `unit` has to read besides keys and media, where something is in its way.
pub(super) fn others(config: &Config, file: &Path, unit: &Unit) -> Vec<Finding> {
    let authorities = config.destinations.iter().filter_map(|destination| {
        Some((format!("{} ca_file", destination.name), destination.ca_file.as_deref()?))
    });
    std::iter::once(("configuration".to_owned(), file))
        .chain(authorities)
        .map(|(subject, path)| {
            let found = Finding::tick(subject, path.display().to_string());
            see(found, Some(unit), path, None)
        })
        .filter(|finding| finding.mark != Mark::Tick)
        .collect()
}

/// How a thing that was found in order, or not, stands with the unit, which `shut` keeps from it. What
/// is wrong anyway stays as it was found. `key`: what it is to be called as a credential.
fn judge(finding: Finding, unit: &Unit, shut: Option<Shut>, key: Option<(&str, &Path)>) -> Finding {
    let (Some(shut), false) = (shut, matches!(finding.mark, Mark::Cross(_))) else { return finding };
    let Unit { name, changed, .. } = unit;
    let what = finding.message.lines().next().unwrap_or_default();
    let why = match &shut {
        Shut::Home(folder) => format!("nothing below {} (ProtectHome=yes)", folder.display()),
        Shut::Temporary(folder) => {
            format!("nothing of {}, as it has one of its own (PrivateTmp=yes)", folder.display())
        }
        Shut::Mode(path, mode) => {
            format!(
                "none of it: the mode {mode:o} of {} keeps others out, and it has a user of its own",
                path.display()
            )
        }
    };
    let hint = match (&shut, key) {
        (_, Some((credential, file))) => format!(
            "hand it over: LoadCredential={credential}:{} below [Service] in `systemctl edit {name}`, and \
             {{ credential = \"{credential}\" }} in the configuration; nonstop.service(8) has more",
            file.display()
        ),
        (Shut::Home(_), None) => format!(
            "move it, as to /srv/nonstop; or ProtectHome=read-only below [Service] in `systemctl edit {name}`, \
             and let everybody read it (chmod -R o+rX)"
        ),
        (Shut::Temporary(_), None) => "move it, as to /srv/nonstop".to_owned(),
        (Shut::Mode(path, _), None) => format!("chmod o+rX {}", path.display()),
    };
    if *changed {
        let message = format!(
            "{what}; as it is packaged, {name} sees {why}\n\nhint: unless your changes to the unit let it in: {hint}"
        );
        return Finding::advice(finding.subject, message);
    }
    let why = format!("{what}; root sees that, but {name} sees {why}");
    Finding::cross(finding.subject, Failure::new(Exit::Config, why).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(changed: bool) -> Unit {
        Unit { name: "nonstop".into(), folder: "nonstop".into(), changed }
    }

    #[test]
    fn what_only_root_sees_is_a_cross_with_the_path_and_the_remedy() {
        let closed = || Some(Shut::Mode("/srv/key".into(), 0o600));
        let key = || Finding::tick("tube key", "in /srv/key");
        let found = judge(key(), &unit(false), closed(), Some(("tube", Path::new("/srv/key"))));
        assert_eq!(found.mark, Mark::Cross(Exit::Config));
        for word in ["in /srv/key", "mode 600", "LoadCredential=tube:/srv/key", "systemctl edit nonstop`"] {
            assert!(found.message.contains(word), "no {word:?} in {}", found.message);
        }
        let found = judge(key(), &unit(true), closed(), Some(("tube", Path::new("/srv/key"))));
        assert_eq!(found.mark, Mark::Advice);
        assert_eq!(judge(key(), &unit(false), None, None), key());

        let media = || Finding::tick("media", "music: 3 tracks");
        let found = judge(media(), &unit(false), Some(Shut::Home("/home".into())), None);
        assert!(found.message.contains("hint: move it") && found.message.contains("ProtectHome=read-only"));
        let closed = Some(Shut::Mode("/srv/music".into(), 0o750));
        let found = judge(media(), &unit(false), closed, None);
        assert!(found.message.ends_with("hint: chmod o+rX /srv/music"), "{}", found.message);
    }

    #[test]
    fn what_is_wrong_anyway_stays_as_it_was_found() {
        let cross = Finding::cross("media", Failure::new(Exit::Unavailable, "it is not there"));
        let shut = Some(Shut::Home("/home".into()));
        assert_eq!(judge(cross.clone(), &unit(false), shut, None), cross);
    }
}
