//! `nonstop plan` as a person reads it. Pure.

use crate::control::Timestamp;
use crate::control::ink::{self, Line, Style, fit};
use crate::control::protocol::Plan;
use crate::control::text::{clock, credits};

/// Where titles begin.
const TITLES: usize = 14;

/// A line for every entry, by local time: `offset` says by how many seconds that is ahead of UTC.
pub(super) fn text(
    plan: &Plan,
    now: Timestamp,
    offset: impl Fn(Timestamp) -> i64,
    width: usize,
    color: bool,
) -> String {
    let mut lines = Vec::new();
    let mut day = date(now, offset(now));
    for entry in &plan.scheduled {
        let starts = entry.starts.max(now);
        let its_day = date(starts, offset(starts));
        if its_day != day {
            lines.push(Line::new().put(Style::Dim, format!("  {its_day}")));
            day = its_day;
        }
        let on_air = entry.starts <= now && now < entry.ends;
        let (mark, title) = if on_air { ("▶", Style::Bold) } else { (" ", Style::Plain) };
        let time = time_of_day(entry.starts, offset(entry.starts));
        let line = Line::new().plain("  ").put(Style::Dim, time).to_column(TITLES - 2);
        let line = line.put(Style::Good, mark).to_column(TITLES);
        let name = fit(&credits(entry.artist.as_deref(), &entry.title), width.saturating_sub(TITLES + 10));
        let length = Line::new().put(Style::Dim, clock(entry.ends.since(entry.starts)));
        lines.push(line.put(title, name).right(length, width));
    }
    for (i, track) in plan.forecast.iter().enumerate() {
        let label = if i == 0 { "  then" } else { "" };
        let line = Line::new().put(Style::Dim, label).to_column(TITLES);
        lines.push(line.put(Style::Dim, track.credits.to_string()));
    }
    if lines.is_empty() {
        lines.push(Line::new().put(Style::Warn, "  Nothing is scheduled: the standby card is on air"));
    }
    ink::print(&lines, width, color)
}

/// `17:16:05`, `offset` seconds ahead of UTC.
pub(super) fn time_of_day(time: Timestamp, offset: i64) -> String {
    local(time, offset)[11..19].to_owned()
}

/// `2026-11-22`, `offset` seconds ahead of UTC.
fn date(time: Timestamp, offset: i64) -> String {
    local(time, offset)[..10].to_owned()
}

fn local(time: Timestamp, offset: i64) -> String {
    Timestamp::from_unix(time.unix().saturating_add_signed(offset)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::protocol::Forecast;
    use crate::control::status::Upcoming;
    use crate::media::Credits;

    #[test]
    fn a_plan_over_midnight_an_hour_east_of_greenwich() {
        let entry = |title: &str, starts: u64, ends: u64| Upcoming {
            title: title.into(),
            artist: Some("Ryan Reilly".into()),
            album: None,
            source: "a.ogg".into(),
            starts: Timestamp::from_unix(1_795_384_000 + starts),
            ends: Timestamp::from_unix(1_795_384_000 + ends),
        };
        let scheduled = vec![
            entry("Knalgan Theme", 0, 225),
            entry("A title of such length that there is no room for it in a line of eighty", 225, 1_800),
            entry("The next day", 7_200, 11_000),
        ];
        let forecast = ["Some time later", "And later still"].map(|title| Forecast {
            source: "b.ogg".into(),
            credits: Credits { title: title.into(), artist: None, album: None },
        });
        let plan = Plan { scheduled, forecast: forecast.into() };
        let now = Timestamp::from_unix(1_795_384_100);
        insta::assert_snapshot!(text(&plan, now, |_| 3_600, 80, false));
    }

    #[test]
    fn no_plan_is_said() {
        assert!(text(&Plan::default(), Timestamp::from_unix(0), |_| 0, 80, false).contains("standby"));
    }
}
