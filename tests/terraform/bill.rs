//! The bill that Terraform makes is the one that `nonstop cost` makes, from the one file of prices.

use crate::{have_terraform, outputs, rendered, root};
use nonstop::config;
use nonstop::cost::{Prices, Usage, bill, prices};
use serde_json::{Value, json};
use std::fs;

#[test]
fn terraform_and_nonstop_cost_make_the_same_bill() {
    if !have_terraform() {
        return;
    }
    let channels = rendered();
    let case = |(channel, config): &(Value, config::Config)| {
        let destinations = channel["destinations"].as_array().unwrap().iter().map(|destination| {
            json!({
                "backup": destination.get("backup").is_some(),
                "redundancy": destination["redundancy"].as_str().unwrap_or("failover"),
            })
        });
        json!({
            "video_bitrate": channel["video"]["bitrate"].as_str().unwrap_or("2000k"),
            "audio_bitrate": channel["audio"]["bitrate"].as_str().unwrap_or("128k"),
            "fps": config.video.fps.get(), "size": config.video.size.to_string(),
            "destinations": destinations.collect::<Vec<_>>(),
            "metrics": config.cloudwatch.namespace.is_some(),
        })
    };
    let theirs = outputs("cost", &channels.iter().map(case).collect::<Vec<_>>());
    for ((_, config), theirs) in channels.iter().zip(theirs) {
        let ours = bill(&Usage::at_most(config), None, &Prices::known());
        let case = &ours.cases[0];
        let close = |a: f64, b: f64| (a - b).abs() < 1e-6;
        for item in &case.items {
            let usd = theirs["items"][item.item].as_f64().unwrap_or_else(|| panic!("no {}", item.item));
            assert!(close(usd, item.usd), "{}: {} here, {usd} by Terraform", item.item, item.usd);
        }
        assert_eq!(theirs["items"].as_object().unwrap().len(), case.items.len());
        assert!(close(theirs["total"].as_f64().unwrap(), case.total), "{theirs}");
        assert!(close(theirs["unless_free"].as_f64().unwrap(), case.unless_free), "{theirs}");
        assert!(close(theirs["gb"].as_f64().unwrap(), case.egress_gb));
        assert_eq!(theirs["machine"], ours.instance.as_str());
        assert_eq!(theirs["machines"].as_array().unwrap().len(), ours.instances.len() + 1);
        let sentence = theirs["sentence"].as_str().unwrap();
        assert!(sentence.contains(&format!("{:.2} US$ a month", case.total)), "{sentence}");
        assert!(sentence.contains(&ours.as_of) && sentence.contains(&ours.region), "{sentence}");
    }
}

#[test]
fn two_machines_cost_two_machines_and_two_streams() {
    if !have_terraform() {
        return;
    }
    let case = |nodes: u32| {
        json!({
            "video_bitrate": "2M", "audio_bitrate": "128k", "fps": 30, "size": "1280x720", "nodes": nodes,
            "destinations": [{ "backup": true, "redundancy": "failover" }],
        })
    };
    let bills = outputs("cost", &[case(1), case(2)]);
    for item in ["machine", "disk", "public address"] {
        let usd = |i: usize| bills[i]["items"][item].as_f64().unwrap();
        assert!((usd(1) - 2.0 * usd(0)).abs() < 1e-9 && usd(0) > 0.0, "{item}");
    }
    assert!((bills[1]["gb"].as_f64().unwrap() - 2.0 * bills[0]["gb"].as_f64().unwrap()).abs() < 1e-6);
}

#[test]
fn the_prices_that_terraform_reads_are_those_of_the_one_file() {
    let path = root().join("terraform/modules/cost/prices.json");
    let prices: toml::Table = toml::from_str(prices::FILE).unwrap();
    let text = serde_json::to_string_pretty(&prices).unwrap() + "\n";
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap();
    assert_eq!(there, text, "run `UPDATE_DOCS=1 cargo test the_prices_that` to write it anew");
}
