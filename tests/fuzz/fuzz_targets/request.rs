#![no_main]

#[path = "../targets.rs"]
#[allow(dead_code)] // the other targets
mod targets;

libfuzzer_sys::fuzz_target!(|input: &[u8]| targets::request(input));
