//! What CloudWatch takes as metrics, as Amazon's description of `PutMetricData` (2010-08-01) has it.

use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// The names of `StandardUnit`.
const UNITS: &str = "Seconds Microseconds Milliseconds Bytes Kilobytes Megabytes Gigabytes Terabytes Bits \
    Kilobits Megabits Gigabits Terabits Percent Count Bytes/Second Kilobytes/Second Megabytes/Second \
    Gigabytes/Second Terabytes/Second Bits/Second Kilobits/Second Megabits/Second Gigabits/Second \
    Terabits/Second Count/Second None";
const MOST_METRICS: usize = 1000;
const MOST_DIMENSIONS: usize = 30;
/// Seconds that a time may be past and to come.
const PAST: f64 = 14.0 * 86_400.0;
const TO_COME: f64 = 2.0 * 3_600.0;

/// Whether a request would be taken, and why not.
pub fn put_metric_data(request: &Value) -> Result<(), String> {
    has_only(request, &["Namespace", "MetricData"])?;
    text(request, "Namespace", 255)?;
    if request["Namespace"].as_str().is_some_and(|name| name.starts_with(':') || name.starts_with("AWS/")) {
        return Err("the namespace is Amazon's".to_owned());
    }
    let data = request["MetricData"].as_array().ok_or("MetricData is no list")?;
    if data.is_empty() || data.len() > MOST_METRICS {
        return Err(format!("{} metrics", data.len()));
    }
    data.iter().try_for_each(|datum| metric(datum).map_err(|why| format!("{why} in {datum}")))
}

fn metric(datum: &Value) -> Result<(), String> {
    has_only(datum, &["MetricName", "Dimensions", "Timestamp", "Value", "Unit", "StorageResolution"])?;
    text(datum, "MetricName", 255)?;
    let dimensions = datum["Dimensions"].as_array().ok_or("Dimensions is no list")?;
    if dimensions.len() > MOST_DIMENSIONS {
        return Err(format!("{} dimensions", dimensions.len()));
    }
    for dimension in dimensions {
        has_only(dimension, &["Name", "Value"])?;
        text(dimension, "Name", 255)?;
        text(dimension, "Value", 1024)?;
    }
    let unit = datum["Unit"].as_str().ok_or("Unit is no text")?;
    if !UNITS.split_whitespace().any(|known| known == unit) {
        return Err(format!("{unit} is no unit"));
    }
    let value = datum["Value"].as_f64().ok_or("Value is no number")?;
    let size = value.abs();
    if size != 0.0 && !(2f64.powi(-360)..=2f64.powi(360)).contains(&size) {
        return Err(format!("{value} is too large or too small"));
    }
    let time = datum["Timestamp"].as_f64().ok_or("Timestamp is no number")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs_f64();
    if !(now - PAST..=now + TO_COME).contains(&time) {
        return Err(format!("{time} is too long ago or to come"));
    }
    match &datum["StorageResolution"] {
        Value::Null => Ok(()),
        seconds if *seconds == 1 || *seconds == 60 => Ok(()),
        seconds => Err(format!("a resolution of {seconds}")),
    }
}

fn has_only(value: &Value, names: &[&str]) -> Result<(), String> {
    let fields = value.as_object().ok_or_else(|| format!("{value} has no fields"))?;
    match fields.keys().find(|name| !names.contains(&name.as_str())) {
        Some(name) => Err(format!("{name} is unknown")),
        None => Ok(()),
    }
}

fn text(value: &Value, name: &str, most: usize) -> Result<(), String> {
    let text = value[name].as_str().ok_or_else(|| format!("{name} is no text"))?;
    match text.chars().count() {
        1.. if text.chars().count() <= most => Ok(()),
        length => Err(format!("{name} has {length} characters")),
    }
}

#[test]
fn the_judge_refuses_what_amazon_would() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs_f64();
    let request = |name: &str, field: Value| {
        let mut datum = json!({
            "MetricName": "OnAir", "Dimensions": [{ "Name": "Channel", "Value": "rig" }],
            "Timestamp": now, "Value": 1.0, "Unit": "Count",
        });
        datum[name] = field;
        json!({ "Namespace": "radio", "MetricData": [datum] })
    };
    put_metric_data(&request("Unit", "Bytes".into())).expect("it is right");
    for (name, field) in [
        ("Unit", json!("bytes")),
        ("Unit", json!("Ratio")),
        ("Value", json!("NaN")),
        ("Value", json!(1e300)),
        ("Timestamp", json!(now - 15.0 * 86_400.0)),
        ("Timestamp", json!(now * 1000.0)),
        ("MetricName", json!("")),
        ("MetricName", json!("x".repeat(256))),
        ("Dimensions", json!([{ "Name": "Channel", "Value": "" }])),
        ("Dimensions", json!(vec![json!({ "Name": "Channel", "Value": "rig" }); 31])),
        ("Labels", json!([])),
    ] {
        assert!(put_metric_data(&request(name, field.clone())).is_err(), "{name}: {field}");
    }
    let many = request("Unit", "Count".into());
    let many = json!({ "Namespace": "radio", "MetricData": vec![many["MetricData"][0].clone(); 1001] });
    assert!(put_metric_data(&many).is_err());
}
