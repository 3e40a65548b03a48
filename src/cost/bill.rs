//! The bill: usage times prices, item by item.

use super::Usage;
use super::prices::{Instance, Prices};
use crate::control::ink::{self, Line, Style};
use serde::Serialize;

/// A month's bill, for one or two cases.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bill {
    /// The channel.
    pub channel: String,
    /// Where the prices are from.
    pub region: String,
    /// When they were so.
    pub as_of: String,
    /// The machine in it.
    pub instance: String,
    /// By the renditions, if there are any; then at most.
    pub cases: Vec<Case>,
    /// What the total grows by with a larger machine: name, US$ a month.
    pub instances: Vec<(String, f64)>,
}

/// One case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Case {
    /// `measured` or `at most`.
    pub case: String,
    /// Bits per second on the wire, all streams together.
    pub bits_per_second: f64,
    /// GB sent in a month.
    pub egress_gb: f64,
    /// What is paid for.
    pub items: Vec<Item>,
    /// US$.
    pub total: f64,
    /// US$ that it is more where something else in the account has all that is free.
    pub unless_free: f64,
}

/// Something that is paid for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Item {
    /// What.
    pub item: &'static str,
    /// How much of it.
    pub detail: String,
    /// US$ a month.
    pub usd: f64,
}

/// The bill of a channel: by its renditions' `measured` usage where there are some, and at most.
pub fn bill(at_most: &Usage, measured: Option<&Usage>, prices: &Prices) -> Bill {
    let instance = prices.smallest(at_most.lines);
    let name = |case: &str, usage: &Usage| case_of(case, usage, instance, prices);
    let cases = measured.map(|usage| name("measured", usage)).into_iter().chain([name("at most", at_most)]);
    let others = prices.instances.iter().filter(|other| other.memory_mib > instance.memory_mib);
    Bill {
        channel: at_most.channel.clone(),
        region: prices.region.clone(),
        as_of: prices.as_of.clone(),
        instance: instance.name.clone(),
        cases: cases.collect(),
        instances: others
            .map(|other| (other.name.clone(), prices.instance(other) - prices.instance(instance)))
            .collect(),
    }
}

fn case_of(case: &str, usage: &Usage, instance: &Instance, prices: &Prices) -> Case {
    let bits = usage.wire(prices) * f64::from(usage.all_streams());
    let gb = prices.gb(bits);
    let free = prices.egress.free_gb;
    let mut items = vec![
        Item { item: "data sent", detail: format!("{free:.0} GB of it free"), usd: prices.sent(gb) },
        Item { item: "public address", detail: "IPv4".into(), usd: prices.ipv4.per_hour * prices.hours },
        Item {
            item: "machine",
            detail: format!("{}, spot, about", instance.name),
            usd: prices.instance(instance),
        },
        Item {
            item: "disk",
            detail: format!("{:.0} GB", prices.disk.gb),
            usd: prices.disk.gb * prices.disk.per_gb,
        },
    ];
    if usage.secrets > 0 {
        let usd = prices.secret.each * usage.secrets as f64;
        items.push(Item { item: "secrets", detail: usage.secrets.to_string(), usd });
    }
    if usage.bucket {
        let detail = format!("{:.0} GB, about", prices.usage.held_gb);
        items.push(Item { item: "bucket", detail, usd: prices.bucket(usage.all_streams()) });
    }
    if usage.watched {
        let detail = format!("{} metrics, {} alarms", prices.usage.metrics, prices.usage.alarms);
        items.push(Item { item: "alarms", detail, usd: prices.watched() });
    }
    let total = items.iter().map(|item| item.usd).sum();
    let unless_free = prices.unless_free(gb, usage.watched);
    Case { case: case.to_owned(), bits_per_second: bits, egress_gb: gb, items, total, unless_free }
}

impl Bill {
    /// As a table for a person, in lines of at most `width` columns.
    pub fn text(&self, width: usize, color: bool) -> String {
        /// Where amounts end, one column for each case.
        const ENDS: [usize; 2] = [52, 66];
        let row = |line: Line, style: Style, cells: &dyn Fn(&Case) -> String| {
            self.cases
                .iter()
                .zip(ENDS)
                .fold(line, |line, (case, end)| line.right(Line::new().put(style, cells(case)), end))
        };
        let label = |what: &str, detail: &str| {
            Line::new().plain(format!("  {what}")).to_column(20).put(Style::Dim, detail)
        };
        let title = Line::new().put(Style::Bold, &self.channel).plain("  US$ a month on AWS");
        let from = format!("  {}, prices of {}", self.region, self.as_of);
        let mut lines = vec![title.put(Style::Dim, from), Line::new()];
        lines.push(row(Line::new(), Style::Bold, &|case| case.case.clone()));
        lines.push(row(label("stream", "Mbps"), Style::Dim, &|case| {
            format!("{:.2}", case.bits_per_second / 1e6)
        }));
        lines.push(row(label("", "GB"), Style::Dim, &|case| format!("{:.0}", case.egress_gb)));
        for (i, item) in self.cases[0].items.iter().enumerate() {
            lines.push(row(label(item.item, &item.detail), Style::Plain, &|case| {
                format!("{:.2}", case.items[i].usd)
            }));
        }
        lines.push(row(Line::new().put(Style::Bold, "  total"), Style::Bold, &|case| {
            format!("{:.2}", case.total)
        }));
        lines.push(Line::new());
        // What is free is so for an account, and taken to be this channel's.
        let more = self.cases.iter().map(|case| format!("{:+.2}", case.unless_free)).collect::<Vec<_>>();
        let free = format!("  where others use up the account's free tier: {}", more.join(", "));
        lines.push(Line::new().put(Style::Dim, free));
        for (name, more) in &self.instances {
            lines.push(Line::new().put(Style::Dim, format!("  with a {name} instead: {more:+.2}")));
        }
        if self.cases.len() == 1 {
            let hint = "  What the stream really takes is known once tracks have been rendered.";
            lines.push(Line::new().put(Style::Dim, hint));
        }
        ink::print(&lines, width, color)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn usage(text: &str) -> Usage {
        Usage::at_most(&config::parse(text).unwrap())
    }

    const FOLDER: &str = "[media]\nsource = \"/srv/music\"\n[[destination]]\nname = \"youtube\"\n\
        primary = \"rtmps://a.rtmps.youtube.com/live2\"\nbackup = \"rtmps://b.rtmps.youtube.com/live2?backup=1\"\n\
        key = { file = \"/key\" }\n";

    fn bucket() -> String {
        let media = FOLDER.replace("/srv/music", "s3://music/lofi") + "redundancy = \"both\"\n";
        let media =
            media.replace("{ file = \"/key\" }", "{ secret = \"nonstop/lofi\", field = \"youtube\" }");
        let twitch = "[[destination]]\nname = \"twitch\"\nprimary = \"rtmps://live.twitch.tv/app\"\n\
            key = { secret = \"nonstop/lofi\", field = \"twitch\" }\n";
        format!(
            "channel = \"lofi\"\n{media}{twitch}[cloudwatch]\nnamespace = \"nonstop\"\n[video]\nsize = \"1920x1080\"\nbitrate = \"4M\"\n"
        )
    }

    #[test]
    fn a_table_for_one_destination_before_anything_is_rendered() {
        insta::assert_snapshot!(bill(&usage(FOLDER), None, &Prices::known()).text(80, false));
    }

    #[test]
    fn a_table_for_three_streams_from_a_bucket_with_renditions() {
        let most = usage(&bucket());
        let bill = bill(&most, Some(&most.measured(491_000.0)), &Prices::known());
        insta::assert_snapshot!(bill.text(80, false));
    }

    #[test]
    fn both_ingests_and_further_destinations_multiply_what_is_sent() {
        let (one, three) = (usage(FOLDER), usage(&bucket()));
        assert_eq!((one.all_streams(), three.all_streams()), (1, 3));
        assert_eq!((one.secrets, three.secrets), (0, 1), "two fields of one secret are one secret");
        let gb = |usage: &Usage| bill(usage, None, &Prices::known()).cases[0].egress_gb;
        assert!((gb(&three.measured(one.media)) - 3.0 * gb(&one)).abs() < 0.001);
    }

    #[test]
    fn the_wire_takes_a_little_more_than_the_media() {
        let usage = usage(FOLDER);
        let more = usage.wire(&Prices::known()) / usage.media;
        assert!((1.04..1.06).contains(&more), "{more}");
    }

    #[test]
    fn a_large_picture_gets_a_machine_that_can_render_it() {
        let instance = |usage: &Usage| bill(usage, None, &Prices::known()).instance;
        assert_eq!(instance(&usage(FOLDER)), "t3a.nano");
        assert_eq!(instance(&usage(&bucket())), "t3a.nano");
        assert_eq!(instance(&usage(&bucket().replace("1920x1080", "3840x2160"))), "t3a.micro");
    }

    #[test]
    fn the_total_is_the_sum_and_json_has_it() {
        let bill = bill(&usage(&bucket()), None, &Prices::known());
        let json = serde_json::to_value(&bill).unwrap();
        let items = json["cases"][0]["items"].as_array().unwrap();
        let sum: f64 = items.iter().map(|item| item["usd"].as_f64().unwrap()).sum();
        assert!((json["cases"][0]["total"].as_f64().unwrap() - sum).abs() < 1e-9);
    }
}
